/**
 * A frozen matrix of 8 bits as a file has it, for tables whose rows are read one by one: value = scale·(byte − 128), with a scale
 * for each 32 neighbours of a row.
 */
import { apply, type Emitter, expectShape, type HostArray, type Operation, type Tensor } from '../graph/index.ts';
import type { Rounding } from './blocks.ts';
import { add } from './elementwise.ts';
import { blockProduct, bytes, small } from './int4.ts';
import { linearReference } from './matmul.ts';
import { BLOCK } from './quantise.ts';

const ZERO = 128;
const samples = [bytes(7, 96), small(7, 3)] as const;

/** bytes [..., D], scales [..., D/32] → numbers [..., D] */
const unpackByteRowsRow: Operation<Rounding> = {
  name: 'unpackByteRows',
  type: ([values, scales]) => {
    const { shape } = values!;
    expectShape('scales of rows of bytes', scales!.shape, [...shape.slice(0, -1), (shape.at(-1) as number) / BLOCK]);
    return { dtype: 'float32', shape };
  },
  gradient: () => [],
  asLinear(x, { inputs: [values, scales], attributes }, bias) {
    if (!attributes.rounds) return undefined;
    const y = apply<void>(roundedByteRowsRow, [x, values!, scales!], undefined);
    return bias ? add(y, bias) : y;
  },
  asRows: ({ inputs: [values, scales], attributes }, pick) =>
    apply(unpackByteRowsRow, [pick(values!), pick(scales!)], attributes),
  onnx: (emit, [values, scales], { inputs }) => [
    unpackByteRows(emit, { values: values!, scales: scales!, columns: inputs[0]!.shape.at(-1) as number }),
  ],
  reference: ([values, scales]) => [unpackedByteRows(values!, scales!)],
  samples: [
    { inputs: samples, attributes: { rounds: false } },
    {
      inputs: [{ shape: ['batch', 'seq', 64], below: 256, dtype: 'uint8' }, ['batch', 'seq', 2]],
      attributes: { rounds: false },
    },
  ],
};

interface ByteRows {
  readonly values: string;
  readonly scales: string;
  /** D */
  readonly columns: number;
}

/** Writes rows as numbers. */
export function unpackByteRows(emit: Emitter, { values, scales, columns }: ByteRows): string {
  const one = (type: string, ...inputs: string[]): string => emit.node(type, inputs)[0]!;
  const shape = one('Shape', values);
  if (emit.target === 'cpu') {
    const zeros = one('Expand', emit.scalar(ZERO, 'uint8'), one('Shape', scales));
    return emit.node('DequantizeLinear', [values, scales, zeros], { axis: -1, block_size: BLOCK })[0]!;
  }
  const steps = one('Sub', emit.cast(values, 'float32'), emit.scalar(ZERO, 'float32'));
  const blocks = one('Reshape', steps, emit.ints([-1, columns / BLOCK, BLOCK]));
  const perBlock = one('Reshape', scales, emit.ints([-1, columns / BLOCK, 1]));
  return one('Reshape', one('Mul', blocks, perBlock), shape);
}

export const unpackedByteRows = ({ data }: HostArray, scales: HostArray): Float64Array =>
  data.map((byte, i) => (byte - ZERO) * scales.data[Math.floor(i / BLOCK)]!);

/** x·Wᵀ, for which a constant W lets ONNX Runtime round x to 8 bits, as in roundedBlocks. */
const roundedByteRowsRow: Operation = {
  name: 'roundedByteRows',
  type: ([x, values]) => ({ dtype: 'float32', shape: [...x!.shape.slice(0, -1), values!.shape[0]!] }),
  gradient: () => [],
  onnx: (emit, [x, values, scales], { inputs }) => {
    const matrix = inputs[1]!.shape as readonly [number, number];
    const blocks = emit.node('Reshape', [values!, emit.ints([matrix[0], matrix[1] / BLOCK, BLOCK])])[0]!;
    return blockProduct(emit, [x!, blocks, scales!], { matrix, bits: 8, rounds: true });
  },
  reference: ([x, values, scales]) => {
    const [outs, ins] = values!.shape as [number, number];
    const weight = unpackedByteRows(values!, scales!);
    return [linearReference(x!.data, { ins, outs, weight: (o, i) => weight[o * ins + i]! })];
  },
  samples: [{ inputs: [['batch', 'seq', 96], ...samples] }],
};

export const byteRowsRows = { unpackByteRows: unpackByteRowsRow, roundedByteRows: roundedByteRowsRow };

/** A frozen table in the bytes of its file, as a float tensor [rows, width] that `gather` and `linear` know shorter ways for. */
export const byteRows = (values: Tensor, scales: Tensor, rounding: Rounding): Tensor =>
  apply(unpackByteRowsRow, [values, scales], rounding);

/** What such a tensor is made of; undefined where it is none. */
export function partsOfByteRows({ node }: Tensor): [Tensor, Tensor] | undefined {
  return node?.operation === unpackByteRowsRow ? (node.inputs as [Tensor, Tensor]) : undefined;
}
