/** What one operation is: its row. Autodiff, the ONNX writer and the checks read rows and name no operation. */
import { type Dim, type Shape, type Sizes, sameShape } from './dims.ts';
import type { HostArray } from './hostArray.ts';
import { constant, type DType, type Node, type Tensor, type Type } from './tensor.ts';

export type Operand = Tensor | number;
/** An ONNX attribute. Plain numbers are integers; floats say so. */
export type Attribute = number | string | readonly number[] | { readonly float: number };

/** 'cpu': all that ONNX Runtime's CPU kernels offer. 'portable': standard operators, which its WebGPU kernels have, too. */
export type Target = 'cpu' | 'portable';

/** What a row may use to write its ONNX form. Tensors are names here. */
export interface Emitter {
  readonly target: Target;
  /** Adds nodes of one type; returns the names of its outputs. */
  node(
    type: string,
    inputs: readonly string[],
    attributes?: Record<string, Attribute>,
    options?: { outputs?: number; domain?: string },
  ): string[];
  /** What is made under this key, once for the whole graph. */
  once<T>(key: string, make: () => T): T;
  nameOf(tensor: Tensor): string;
  /** Whether anything reads an output: what nobody reads need not be written. */
  isRead(output: Tensor): boolean;
  ints(values: readonly number[]): string;
  scalar(value: number, dtype: DType): string;
  cast(x: string, dtype: DType): string;
  /** Bytes as the two numbers of 4 bits that each holds, the first in the lower half: ONNX's UINT4, in a shape. */
  fourBits(bytes: string, shape: readonly number[]): string;
  /** A size, or a whole shape, as an int64 vector; read at run time only where it is symbolic. */
  dim(dim: Dim): string;
  shape(shape: Shape): string;
  reshapeTarget(from: Shape, to: Shape): string;
  expandTarget(from: Shape, to: Shape): string;
}

/**
 * Example input of a row: a shape of floats, of floats `scale` times as far from 0, of floats above 0, of floats
 * that hide what stands later, of integers `from` (0) … `below` − 1.
 */
export type SampleInput =
  | Shape
  | { readonly shape: Shape; readonly scale: number }
  | { readonly shape: Shape; readonly positive: true }
  | { readonly shape: Shape; readonly inOrder: true }
  | { readonly shape: Shape; readonly from?: number; readonly below: number; readonly dtype: DType };
export interface Sample<A> {
  readonly inputs: readonly SampleInput[];
  readonly attributes?: A;
}

export interface Operation<A = void> {
  readonly name: string;
  /** Many products for each value it makes: what lies above such rows is worth keeping, where it can be kept. */
  readonly costly?: boolean | ((inputs: readonly Tensor[]) => boolean);
  /** Types of the outputs. Throws where the inputs do not fit. */
  type(inputs: readonly Tensor[], attributes: A): Type | Type[];
  /** Every output may be read by what is differentiated; else only the first is. */
  readonly everyOutput?: boolean;
  /**
   * dy of the first output to dx of each input; undefined where an input has none. What nobody asks for costs nothing.
   * `dys` are those of all outputs, undefined where nobody reads one.
   */
  gradient(
    dy: Tensor,
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
    attributes: A,
    dys: readonly (Tensor | undefined)[],
  ): readonly (Tensor | undefined)[];
  /**
   * Rows that unpack a stored weight only: x·Wᵀ + b straight from what is stored, which `linear` then uses; undefined where
   * there is no shorter way. `weight` is the node of the row.
   */
  readonly asLinear?: (x: Tensor, weight: Node & { attributes: A }, bias?: Tensor) => Tensor | undefined;
  /** The same for rows of the matrix: unpacked from what `pick` takes of each stored part, which all have its rows. */
  readonly asRows?: (weight: Node & { attributes: A }, pick: (part: Tensor) => Tensor) => Tensor;
  /** ONNX operator of the same signature, or a function that writes several nodes and names the outputs. */
  readonly onnx: string | ((emit: Emitter, inputs: string[], node: Node & { attributes: A }) => string[]);
  /** Plain, slow and obvious, in double precision. `sizes` gives the named dimensions. */
  reference(
    inputs: readonly HostArray[],
    attributes: A,
    outputs: readonly { shape: number[] }[],
    sizes: Sizes,
  ): Float64Array[];
  /** Where the row is checked: gradient against finite differences, ONNX against the reference. */
  readonly samples: readonly Sample<A>[];
}

const asTensor = (operand: Operand): Tensor => (typeof operand === 'number' ? constant(operand) : operand);

export function isCostly({ operation: { costly = false }, inputs }: Node): boolean {
  return typeof costly === 'boolean' ? costly : costly(inputs);
}

/** Adds a node; returns all its outputs. */
export function applyAll<A>(operation: Operation<A>, operands: readonly Operand[], attributes: A): readonly Tensor[] {
  const inputs = operands.map(asTensor);
  const types = [operation.type(inputs, attributes)].flat();
  const outputs: Tensor[] = [];
  const node: Node = { operation, inputs, attributes, outputs };
  for (const { dtype, shape } of types) outputs.push({ dtype, shape, node });
  return outputs;
}

/** Adds a node; returns its first output. */
export const apply = <A>(operation: Operation<A>, operands: readonly Operand[], attributes: A): Tensor =>
  applyAll(operation, operands, attributes)[0]!;

/** Throws unless the shapes agree; `what` reads like 'weight of linear'. */
export function expectShape(what: string, actual: Shape, wanted: Shape): void {
  if (sameShape(actual, wanted)) return;
  throw new Error(`internal: ${what}: got [${actual.join(', ')}], expected [${wanted.join(', ')}]`);
}
