/**
 * A graph is what can be reached from its outputs. Tensors are immutable values that know the node that made them, so
 * there is no builder to thread through the code, and what nobody asks for does not exist.
 */
import type { Dim, Shape } from './dims.ts';
import type { Operation } from './operation.ts';

export type DType = 'float32' | 'int32' | 'int64' | 'bool' | 'uint8' | 'int8';
export type Data = Float32Array | Int32Array | BigInt64Array | Uint8Array | Int8Array;
export interface Type {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** Inputs have a name, constants have data, everything else has the node that made it. */
export interface Tensor extends Type {
  readonly name?: string;
  readonly data?: Data;
  readonly node?: Node;
}

export interface Node {
  // Rows differ in their attributes; a node only ever hands its own attributes to its own row.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly operation: Operation<any>;
  readonly inputs: readonly Tensor[];
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly attributes: any;
  readonly outputs: readonly Tensor[];
}

export const input = (name: string, dtype: DType, shape: Shape): Tensor => ({ name, dtype, shape });

/** A scalar, or a vector, that is part of the graph. */
export function constant(values: number | readonly number[], dtype: DType = 'float32'): Tensor {
  const list = typeof values === 'number' ? [values] : values;
  return { dtype, shape: typeof values === 'number' ? [] : [list.length], data: dataFrom(list, dtype) };
}

/** Numbers as the array that holds a dtype. */
export function dataFrom(values: ArrayLike<number>, dtype: DType): Data {
  if (dtype === 'int64') return BigInt64Array.from(values, BigInt);
  if (dtype === 'int32') return Int32Array.from(values);
  if (dtype === 'int8') return Int8Array.from(values);
  return dtype === 'float32' ? Float32Array.from(values) : Uint8Array.from(values);
}

/** Nodes in the order they can run. Iterative: a deep model must not overflow the stack. */
export function topological(outputs: readonly Tensor[]): Node[] {
  const order: Node[] = [];
  const seen = new Set<Node>();
  const stack: { node: Node; next: number }[] = [];
  const enter = ({ node }: Tensor): void => {
    if (!node || seen.has(node)) return;
    seen.add(node);
    stack.push({ node, next: 0 });
  };
  for (const output of outputs) {
    enter(output);
    while (stack.length > 0) {
      const top = stack.at(-1)!;
      if (top.next < top.node.inputs.length) enter(top.node.inputs[top.next++]!);
      else order.push(stack.pop()!.node);
    }
  }
  return order;
}

/** Inputs and constants that the outputs use, each once, in order of first use. */
export function leaves(outputs: readonly Tensor[]): Tensor[] {
  const used = [...topological(outputs).flatMap((node) => node.inputs), ...outputs];
  return [...new Set(used.filter((tensor) => !tensor.node))];
}

/** A shape with one axis replaced. */
export const withDim = (shape: Shape, axis: number, dim: Dim): Shape =>
  shape.map((old, index) => (index === axis ? dim : old));
