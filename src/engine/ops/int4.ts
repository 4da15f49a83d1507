/** Linear layers over frozen weights of 4 bits in blocks, as com.microsoft.MatMulNBits reads them. */
import { apply, type Emitter, expectShape, type HostArray, type Operation, type Tensor } from '../graph/index.ts';
import { sumTo } from './broadcast.ts';
import { linearReference } from './matmul.ts';
import { BLOCK } from './quantise.ts';

/** A matrix [rows, columns] in blocks of 32 neighbours of a row: value = (nibble − 8) · scale of its block. */
export interface Blocks {
  /** uint8 [rows, columns / 32, 16]: of two neighbours the first in the lower half. */
  readonly nibbles: Tensor;
  /** [rows, columns / 32] */
  readonly scales: Tensor;
}

/** W [out, in] in blocks along its rows for x·Wᵀ, and its transpose in blocks of its own for dy·W. */
export interface Int4Weight {
  readonly forward: Blocks;
  readonly backward: Blocks;
}

const leavesOf = ({ forward, backward }: Int4Weight): Tensor[] => [
  forward.nibbles,
  forward.scales,
  backward.nibbles,
  backward.scales,
];
const weightOf = ([nibbles, scales, otherNibbles, otherScales]: readonly Tensor[]): Int4Weight => ({
  forward: { nibbles: nibbles!, scales: scales! },
  backward: { nibbles: otherNibbles!, scales: otherScales! },
});
export const sizeOfMatrix = ({ shape }: { shape: Tensor['shape'] }): [number, number] => [
  shape[0] as number,
  (shape[1] as number) * BLOCK,
];

/** What MatMulNBits computes in: float32, or 8 bits, to which it rounds each block of x. */
const EXACT = 1;
const ROUNDED = 4;

export const small = (...shape: number[]) => ({ shape, scale: 0.1 }) as const;
export const bytes = (...shape: number[]) => ({ shape, below: 256, dtype: 'uint8' }) as const;
/** A matrix [64, 32] and its transpose. */
const blockSamples = [bytes(64, 1, 16), small(64, 1), bytes(32, 2, 16), small(32, 2)] as const;

/** The weight as numbers [out, in], for whoever reads more than a product. `linear` takes the blocks instead. */
const unpackInt4Row: Operation = {
  name: 'unpackInt4',
  type: ([nibbles]) => ({ dtype: 'float32', shape: sizeOfMatrix(nibbles!) }),
  gradient: () => [],
  asLinear: (x, { inputs }, bias) => int4Linear(x, weightOf(inputs), bias),
  onnx: (emit, [nibbles, scales], { inputs }) => {
    const [rows, columns] = sizeOfMatrix(inputs[0]!);
    const values = unpackNibbles(emit, nibbles!, [rows, columns / BLOCK, BLOCK]);
    const wide = emit.node('Reshape', [scales!, emit.ints([rows, columns / BLOCK, 1])]);
    return emit.node('Reshape', [...emit.node('Mul', [...values, ...wide]), emit.ints([rows, columns])]);
  },
  reference: ([nibbles, scales]) => [unpackedReference(nibbles!, scales!)],
  samples: [{ inputs: blockSamples }],
};

/** Bytes to the two numbers −8 … 7 that each holds. Arithmetic in floats, which every provider has. */
export function unpackNibbles(emit: Emitter, nibbles: string, shape: readonly number[]): string[] {
  const one = (type: string, ...inputs: string[]): string => emit.node(type, inputs)[0]!;
  const bytes = emit.cast(nibbles, 'float32');
  const high = one('Floor', one('Mul', bytes, emit.scalar(1 / 16, 'float32')));
  const low = one('Sub', bytes, one('Mul', high, emit.scalar(16, 'float32')));
  const apart = [low, high].map((half) => one('Unsqueeze', half, emit.ints([3])));
  const pairs = emit.node('Concat', apart, { axis: 3 }); // [rows, blocks, 16, 2]
  const steps = emit.node('Reshape', [...pairs, emit.ints(shape)]);
  return emit.node('Sub', [...steps, emit.scalar(8, 'float32')]);
}

export function unpackedReference(nibbles: HostArray, scales: HostArray): Float64Array {
  const nibbleAt = (i: number): number => {
    const byte = nibbles.data[i >> 1]!;
    return i % 2 ? byte >> 4 : byte & 15;
  };
  return Float64Array.from(
    { length: nibbles.data.length * 2 },
    (_, i) => (nibbleAt(i) - 8) * scales.data[Math.floor(i / BLOCK)]!,
  );
}

interface BlockMatrix {
  /** [out, in] */
  readonly matrix: readonly [number, number];
  readonly bits: 4 | 8;
  readonly rounds: boolean;
}

/** x·Wᵀ for W in blocks along its rows. */
export function blockProduct(emit: Emitter, [x, values, scales]: string[], { matrix, bits, rounds }: BlockMatrix) {
  const flat = emit.node('Reshape', [scales!, emit.ints([-1])]);
  const [outs, ins] = matrix;
  const settings = { K: ins, N: outs, bits, block_size: BLOCK, accuracy_level: rounds ? ROUNDED : EXACT };
  return emit.node('MatMulNBits', [x!, values!, ...flat], settings, { domain: 'com.microsoft' });
}

/** y = x·Wᵀ + b for x [..., in]. The gradient of x is a product with the transpose as it was rounded on its own. */
const int4LinearRow: Operation = {
  name: 'int4Linear',
  costly: true,
  type: ([x, nibbles, , others, , bias]) => {
    const [outs, ins] = sizeOfMatrix(nibbles!);
    expectShape(`weight of int4Linear on [${x!.shape}]`, [ins], [x!.shape.at(-1)!]);
    expectShape('second form of the weight of int4Linear', sizeOfMatrix(others!), [ins, outs]);
    if (bias) expectShape('bias of int4Linear', bias.shape, [outs]);
    return { dtype: 'float32', shape: [...x!.shape.slice(0, -1), outs] };
  },
  gradient: (dy, [, ...rest]) => {
    const bias = rest[4];
    const { forward, backward } = weightOf(rest);
    const dx = int4Linear(dy, { forward: backward, backward: forward });
    return [dx, undefined, undefined, undefined, undefined, bias && sumTo(dy, bias.shape)];
  },
  onnx: (emit, [x, nibbles, scales, , , bias], { inputs }) => {
    const matrix = sizeOfMatrix(inputs[1]!);
    const y = blockProduct(emit, [x!, nibbles!, scales!], { matrix, bits: 4, rounds: false });
    return bias ? emit.node('Add', [...y, bias]) : y;
  },
  reference: ([x, nibbles, scales, , , bias]) => {
    const weight = unpackedReference(nibbles!, scales!);
    const outs = nibbles!.shape[0]!;
    const ins = weight.length / outs;
    return [linearReference(x!.data, { ins, outs, weight: (o, i) => weight[o * ins + i]!, bias })];
  },
  samples: [{ inputs: [['batch', 'seq', 32], ...blockSamples, [64]] }, { inputs: [['batch', 32], ...blockSamples] }],
};

export const int4Rows = { unpackInt4: unpackInt4Row, int4Linear: int4LinearRow };

/** A frozen weight of 4 bits as a float tensor [out, in] that `linear` knows a shorter way for. */
export const unpackInt4 = (weight: Int4Weight): Tensor => apply<void>(unpackInt4Row, leavesOf(weight), undefined);

const int4Linear = (x: Tensor, weight: Int4Weight, bias?: Tensor): Tensor =>
  apply<void>(int4LinearRow, [x, ...leavesOf(weight), ...(bias ? [bias] : [])], undefined);
