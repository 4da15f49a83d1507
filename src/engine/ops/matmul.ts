/** Products. `matmul` multiplies two activations; `linear` applies a weight stored as [out, in], as checkpoints do. */
import {
  apply,
  broadcast,
  type Dim,
  type Emitter,
  expectShape,
  type HostArray,
  type Node,
  type Operation,
  offsets,
  product,
  type Shape,
  sizeOf,
  type Tensor,
} from '../graph/index.ts';
import { sumTo } from './broadcast.ts';
import { reshape } from './reshape.ts';

export interface MatmulAttributes {
  readonly transA?: boolean;
  readonly transB?: boolean;
  readonly scale?: number;
}

const rowsOf = <D>(x: { shape: readonly D[] }, transposed?: boolean): D => x.shape.at(transposed ? -1 : -2)!;
const columnsOf = <D>(x: { shape: readonly D[] }, transposed?: boolean): D => x.shape.at(transposed ? -2 : -1)!;

/** Order of axes that transposes the last two. */
const swapped = ({ length }: Shape): number[] => [...Array(length - 2).keys(), length - 1, length - 2];

/** How much longer than wide a matrix may be before a product with it counts as cheap, as LoRA's and adapters' are. */
const NARROW = 8;

/** A product with a matrix of known sizes that narrows nothing down: many multiplications for each value that it makes. */
function isWide([, matrix]: readonly Tensor[]): boolean {
  const [rows, columns] = matrix!.shape.slice(-2) as [Dim, Dim];
  if (typeof rows !== 'number' || typeof columns !== 'number') return false;
  return Math.max(rows, columns) < NARROW * Math.min(rows, columns);
}

/** scale · A·B over the last two axes, each transposed first where asked. */
const matmulRow: Operation<MatmulAttributes> = {
  name: 'matmul',
  costly: isWide,
  type: ([a, b], { transA, transB }) => {
    const place = `inner size of matmul [${a!.shape}] · [${b!.shape}]`;
    expectShape(place, [columnsOf(a!, transA)], [rowsOf(b!, transB)]);
    const outer = broadcast(a!.shape.slice(0, -2), b!.shape.slice(0, -2));
    return { dtype: 'float32', shape: [...outer, rowsOf(a!, transA), columnsOf(b!, transB)] };
  },
  // With A' = Aᵀ or A: dA' = dY·B'ᵀ and dB' = A'ᵀ·dY, written so that no transpose is ever made.
  gradient: (dy, [a, b], _, { transA = false, transB = false, scale }) => [
    sumTo(
      transA ? matmul(b!, dy, { transA: transB, transB: true, scale }) : matmul(dy, b!, { transB: !transB, scale }),
      a!.shape,
    ),
    sumTo(
      transB ? matmul(dy, a!, { transA: true, transB: transA, scale }) : matmul(a!, dy, { transA: !transA, scale }),
      b!.shape,
    ),
  ],
  onnx: (emit, x, { inputs, attributes: { transA = false, transB = false, scale = 1 } }) => {
    if (!transA && !transB && scale === 1) return emit.node('MatMul', x);
    const attributes = { transA: Number(transA), transB: Number(transB), alpha: { float: scale } };
    if (emit.target === 'cpu') return emit.node('FusedMatMul', x, attributes, { domain: 'com.microsoft' });
    if (inputs.every(({ shape }) => shape.length === 2)) return emit.node('Gemm', x, attributes);
    const swap = (name: string, { shape }: Tensor): string[] =>
      emit.node('Transpose', [name], { perm: swapped(shape) });
    const a = transA ? swap(x[0]!, inputs[0]!) : [x[0]!];
    const b = transB ? swap(x[1]!, inputs[1]!) : [x[1]!];
    const y = emit.node('MatMul', [...a, ...b]);
    return scale === 1 ? y : emit.node('Mul', [...y, emit.scalar(scale, 'float32')]);
  },
  reference: ([a, b], attributes, [out]) => [multiply(a!, b!, attributes, out!.shape)],
  samples: [
    {
      inputs: [
        ['batch', 2, 'seq', 4],
        ['batch', 1, 4, 5],
      ],
      attributes: {},
    },
    {
      inputs: [
        ['batch', 'seq', 4],
        [1, 5, 4],
      ],
      attributes: { transB: true, scale: 0.5 },
    },
    {
      inputs: [
        [4, 'seq'],
        [4, 2],
      ],
      attributes: { transA: true, scale: 2 },
    },
    {
      inputs: [
        ['batch', 4, 'seq'],
        ['batch', 2, 4],
      ],
      attributes: { transA: true, transB: true },
    },
  ],
};

function multiply(a: HostArray, b: HostArray, attributes: MatmulAttributes, shape: readonly number[]): Float64Array {
  const { transA, transB, scale = 1 } = attributes;
  const [rows, columns] = shape.slice(-2) as [number, number];
  const inner = columnsOf(a, transA);
  const blockA = offsets(a.shape.slice(0, -2), shape.slice(0, -2));
  const blockB = offsets(b.shape.slice(0, -2), shape.slice(0, -2));
  const at = (x: HostArray, block: number, i: number, j: number): number =>
    x.data[block * sizeOf(x.shape.slice(-2)) + i * x.shape.at(-1)! + j]!;
  const element = (index: number): number => {
    const n = Math.floor(index / (rows * columns));
    const i = Math.floor(index / columns) % rows;
    const j = index % columns;
    let total = 0;
    for (let k = 0; k < inner; k++) {
      const left = transA ? at(a, blockA[n]!, k, i) : at(a, blockA[n]!, i, k);
      total += left * (transB ? at(b, blockB[n]!, j, k) : at(b, blockB[n]!, k, j));
    }
    return total * scale;
  };
  return Float64Array.from({ length: sizeOf(shape) }, (_, index) => element(index));
}

/** x [..., width] as [rows, width] */
export const rowsOnly = (x: Tensor): Tensor => reshape(x, [product(x.shape.slice(0, -1)), x.shape.at(-1)!]);

/** One Gemm over all rows: faster than MatMul + Add, and the reshapes copy nothing. */
function gemm(emit: Emitter, [x, ...rest]: string[], node: Node): string[] {
  const input = node.inputs[0]!.shape;
  if (input.length === 2) return emit.node('Gemm', [x!, ...rest], { transB: 1 });
  const rows = emit.node('Reshape', [x!, emit.ints([-1, input.at(-1) as number])]);
  const y = emit.node('Gemm', [...rows, ...rest], { transB: 1 });
  return emit.node('Reshape', [...y, emit.shape(node.outputs[0]!.shape)]);
}

/** A linear layer as the references of all its forms compute it: W by its places, however it is kept. */
export interface ReferenceLayer {
  readonly ins: number;
  readonly outs: number;
  readonly weight: (o: number, i: number) => number;
  readonly bias?: HostArray | undefined;
}

export function linearReference(x: Float64Array, { ins, outs, weight, bias }: ReferenceLayer): Float64Array {
  const element = (index: number): number => {
    const [row, o] = [Math.floor(index / outs), index % outs];
    let total = bias?.data[o] ?? 0;
    for (let i = 0; i < ins; i++) total += x[row * ins + i]! * weight(o, i);
    return total;
  };
  return Float64Array.from({ length: (x.length / ins) * outs }, (_, index) => element(index));
}

/** y = x·Wᵀ + b for x [..., in], W [out, in], b [out]. */
const linearRow: Operation = {
  name: 'linear',
  costly: isWide,
  type: ([x, w, b]) => {
    expectShape(`weight of linear on [${x!.shape}]`, [w!.shape[1]!], [x!.shape.at(-1)!]);
    if (b) expectShape('bias of linear', b.shape, [w!.shape[0]!]);
    return { dtype: 'float32', shape: [...x!.shape.slice(0, -1), w!.shape[0]!] };
  },
  gradient: (dy, [x, w, b]) => [
    matmul(dy, w!), // [..., in]
    matmul(rowsOnly(dy), rowsOnly(x!), { transA: true }), // [out, in]
    b && sumTo(dy, b.shape), // [out]
  ],
  onnx: gemm,
  reference: ([x, w, bias]) => {
    const [outs, ins] = w!.shape as [number, number];
    return [linearReference(x!.data, { ins, outs, weight: (o, i) => w!.data[o * ins + i]!, bias })];
  },
  samples: [
    { inputs: [['batch', 'seq', 4], [3, 4], [3]] },
    {
      inputs: [
        ['batch', 4],
        [3, 4],
      ],
    },
  ],
};

export const matmulRows = { matmul: matmulRow, linear: linearRow };

export const matmul = (a: Tensor, b: Tensor, attributes: MatmulAttributes = {}): Tensor =>
  apply(matmulRow, [a, b], attributes);
export function linear(x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  const { node } = weight;
  const shorter = node?.operation.asLinear?.(x, node, bias);
  return shorter ?? apply<void>(linearRow, bias ? [x, weight, bias] : [x, weight], undefined);
}
