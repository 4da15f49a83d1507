/**
 * Linear layers over frozen weights of 4 bits as a file has them: one form, in blocks along the rows of W [out, in], serves
 * x·Wᵀ and dy·W alike. value = scale·(nibble − 8) + offset of its block; many weights have no offsets.
 */
import { apply, type Emitter, expectShape, type HostArray, type Operation, type Tensor } from '../graph/index.ts';
import { add } from './elementwise.ts';
import { delayed } from './inParts/order.ts';
import { type Blocks, blockProduct, bytes, sizeOfMatrix, small, unpackedReference, unpackNibbles } from './int4.ts';
import { linearReference, matmul } from './matmul.ts';
import { BLOCK } from './quantise.ts';

/** TensorProto.DataType */
const UINT4 = 21;

const blockSamples = [bytes(7, 3, 16), small(7, 3)] as const;
const offsetSamples = [...blockSamples, small(3, 7)] as const;

export interface Rounding {
  /** Products may round what they read to 8 bits, in blocks of 32: for models that only answer. */
  readonly rounds: boolean;
}

function expectOffsets([nibbles, , offsets]: readonly Tensor[]): void {
  const [rows, columns] = sizeOfMatrix(nibbles!);
  if (offsets) expectShape('offsets of a matrix in blocks', offsets.shape, [columns / BLOCK, rows]);
}

/** W as numbers [out, in], for whoever reads more than a product. */
const unpackBlocksRow: Operation<Rounding> = {
  name: 'unpackBlocks',
  type: (parts) => {
    expectOffsets(parts);
    return { dtype: 'float32', shape: sizeOfMatrix(parts[0]!) };
  },
  gradient: () => [],
  asLinear(x, { inputs: [nibbles, scales, offsets], attributes }, bias) {
    const blocks = [nibbles!, scales!, ...(offsets ? [offsets] : [])];
    const y = attributes.rounds ? roundedLinear(x, blocks) : apply<void>(blocksLinearRow, [x, ...blocks], undefined);
    return bias ? add(y, bias) : y;
  },
  onnx: (emit, parts, { inputs }) => [unpacked(emit, parts, sizeOfMatrix(inputs[0]!))],
  reference: (parts) => [matrix(parts).values],
  samples: [
    { inputs: blockSamples, attributes: { rounds: false } },
    { inputs: offsetSamples, attributes: { rounds: false } },
  ],
};

/** Numbers [rows, columns]. On a CPU the bits stay together until they are scaled, in one pass. */
function unpacked(
  emit: Emitter,
  [nibbles, scales, offsets]: readonly string[],
  [rows, columns]: readonly [number, number],
): string {
  const one = (type: string, ...inputs: string[]): string => emit.node(type, inputs)[0]!;
  const inBlocks = (x: string): string => one('Reshape', x, emit.ints([rows, columns / BLOCK, BLOCK]));
  const perBlock = (x: string): string => one('Reshape', x, emit.ints([rows, columns / BLOCK, 1]));
  const flat = (x: string): string => one('Reshape', x, emit.ints([rows, columns]));
  const centred = (): string => {
    if (emit.target === 'portable') {
      const steps = unpackNibbles(emit, nibbles!, [rows, columns / BLOCK, BLOCK])[0]!;
      return flat(one('Mul', steps, perBlock(scales!)));
    }
    const eights = emit.node('Expand', [emit.scalar(8, 'uint8'), emit.ints([rows, columns / BLOCK])]);
    const zeros = emit.node('Cast', eights, { to: UINT4 });
    const steps = emit.fourBits(nibbles!, [rows, columns]);
    return emit.node('DequantizeLinear', [steps, scales!, ...zeros], { axis: 1, block_size: BLOCK })[0]!;
  };
  if (!offsets) return centred();
  const byRow = emit.node('Transpose', [offsets], { perm: [1, 0] })[0]!;
  return flat(one('Add', inBlocks(centred()), perBlock(byRow)));
}

/** x·Wᵀ for x [..., in]. W is unpacked for it, and once more for the way back: neither stays. */
const blocksLinearRow: Operation = {
  name: 'blocksLinear',
  costly: true,
  type: ([x, ...parts]) => {
    expectOffsets(parts);
    const [outs, ins] = sizeOfMatrix(parts[0]!);
    expectShape(`weight of blocksLinear on [${x!.shape}]`, [ins], [x!.shape.at(-1)!]);
    return { dtype: 'float32', shape: [...x!.shape.slice(0, -1), outs] };
  },
  gradient: (dy, [, ...parts]) => [apply<void>(blocksBackRow, [dy, ...parts], undefined)],
  onnx: (emit, [x, ...parts], { inputs, outputs }) => {
    const [outs, ins] = sizeOfMatrix(inputs[1]!);
    const rows = emit.node('Reshape', [x!, emit.ints([-1, ins])]);
    const y = emit.node('Gemm', [...rows, unpacked(emit, parts, [outs, ins])], { transB: 1 });
    return emit.node('Reshape', [...y, emit.shape(outputs[0]!.shape)]);
  },
  reference: ([x, ...parts]) => {
    const { outs, ins, at } = matrix(parts);
    return [linearReference(x!.data, { ins, outs, weight: at })];
  },
  samples: [{ inputs: [['batch', 'seq', 96], ...offsetSamples] }, { inputs: [['batch', 96], ...blockSamples] }],
};

/** dy·W for dy [..., out]: the way back through blocksLinear. */
const blocksBackRow: Operation = {
  name: 'blocksBack',
  costly: true,
  type: ([dy, ...parts]) => {
    const [outs, ins] = sizeOfMatrix(parts[0]!);
    expectShape(`weight of blocksBack on [${dy!.shape}]`, [outs], [dy!.shape.at(-1)!]);
    return { dtype: 'float32', shape: [...dy!.shape.slice(0, -1), ins] };
  },
  gradient: (dx, [, ...parts]) => [apply<void>(blocksLinearRow, [dx, ...parts], undefined)],
  onnx: (emit, [dy, nibbles, scales, ...offsets], { inputs }) => {
    // Not before dy is there: else W would be unpacked once for both ways, and stay in between.
    const late = emit.target === 'cpu' ? delayed(emit, scales!, dy!, 2) : scales!;
    return emit.node('MatMul', [dy!, unpacked(emit, [nibbles!, late, ...offsets], sizeOfMatrix(inputs[1]!))]);
  },
  reference: ([dy, ...parts]) => {
    const { outs, ins, at } = matrix(parts);
    return [linearReference(dy!.data, { ins: outs, outs: ins, weight: (i, o) => at(o, i) })];
  },
  samples: [{ inputs: [['batch', 'seq', 7], ...offsetSamples] }, { inputs: [['batch', 7], ...blockSamples] }],
};

/**
 * x·Wᵀ for W without offsets. Where W is a constant of the session, ONNX Runtime rounds x to 8 bits for it: each block of 32
 * neighbours to steps of a share of its largest value.
 */
const roundedBlocksRow: Operation = {
  name: 'roundedBlocks',
  type: ([x, nibbles]) => ({ dtype: 'float32', shape: [...x!.shape.slice(0, -1), nibbles!.shape[0]!] }),
  gradient: () => [],
  onnx: (emit, [x, nibbles, scales], { inputs }) =>
    blockProduct(emit, [x!, nibbles!, scales!], { matrix: sizeOfMatrix(inputs[1]!), bits: 4, rounds: true }),
  reference: ([x, ...parts]) => {
    const { outs, ins, at } = matrix(parts);
    return [linearReference(x!.data, { ins, outs, weight: at })];
  },
  samples: [{ inputs: [['batch', 'seq', 96], ...blockSamples] }],
};

function roundedLinear(x: Tensor, [nibbles, scales, offsets]: readonly Tensor[]): Tensor {
  const y = apply<void>(roundedBlocksRow, [x, nibbles!, scales!], undefined);
  return offsets ? add(y, matmul(blockSums(x), offsets)) : y;
}

/**
 * One number for each block of x [..., in]: what an offset is multiplied by. [..., in / 32] A product with ones and zeros: sums
 * of 32 neighbours take ONNX Runtime several times as long.
 */
const blockSums = (x: Tensor): Tensor => matmul(x, memberships(x.shape.at(-1) as number));

/** One tensor for each width, so that a model holds it once. */
const known = new Map<number, Tensor>();

/** Which columns belong to which block. [in, in / 32] */
function memberships(columns: number): Tensor {
  const made = known.get(columns);
  if (made) return made;
  const blocks = columns / BLOCK;
  const data = new Float32Array(columns * blocks);
  for (let column = 0; column < columns; column++) data[column * blocks + Math.floor(column / BLOCK)] = 1;
  const tensor: Tensor = { dtype: 'float32', shape: [columns, blocks], data };
  known.set(columns, tensor);
  return tensor;
}

function matrix([nibbles, scales, offsets]: readonly HostArray[]) {
  const centred = unpackedReference(nibbles!, scales!);
  const outs = nibbles!.shape[0]!;
  const ins = centred.length / outs;
  const offsetAt = (i: number): number =>
    offsets?.data[Math.floor((i % ins) / BLOCK) * outs + Math.floor(i / ins)] ?? 0;
  const values = centred.map((value, i) => value + offsetAt(i));
  return { values, outs, ins, at: (o: number, i: number): number => values[o * ins + i]! };
}

export const blocksRows = {
  unpackBlocks: unpackBlocksRow,
  blocksLinear: blocksLinearRow,
  blocksBack: blocksBackRow,
  roundedBlocks: roundedBlocksRow,
};

interface OwnBlocks extends Blocks {
  readonly offsets?: Tensor | undefined;
}

/** A frozen weight in the blocks of its file, as a float tensor [out, in] that `linear` knows a shorter way for. */
export const unpackBlocks = ({ nibbles, scales, offsets }: OwnBlocks, rounding: Rounding): Tensor =>
  apply(unpackBlocksRow, offsets ? [nibbles, scales, offsets] : [nibbles, scales], rounding);
