/**
 * Linear layers over frozen weights of 4 bits as a file has them: one form, in blocks along the rows of W [out, in], serves
 * x·Wᵀ and dy·W alike. value = scale·(nibble − 8) + offset of its block; many weights have no offsets.
 */
import { apply, type Emitter, expectShape, type HostArray, type Operation, type Tensor } from '../graph/index.ts';
import { sumTo } from './broadcast.ts';
import { add } from './elementwise.ts';
import { type Blocks, blockProduct, bytes, sizeOfMatrix, small, unpackedReference, unpackNibbles } from './int4.ts';
import { linear, linearReference } from './matmul.ts';
import { BLOCK } from './quantise.ts';

/** TensorProto.DataType */
const UINT4 = 21;

const blockSamples = [bytes(7, 3, 16), small(7, 3)] as const;

/** W as numbers [out, in], for whoever reads more than a product. */
const unpackBlocksRow: Operation = {
  name: 'unpackBlocks',
  type: ([nibbles, , offsets]) => {
    const shape = sizeOfMatrix(nibbles!);
    if (offsets) expectShape('offsets of unpackBlocks', offsets.shape, [shape[0], shape[1] / BLOCK]);
    return { dtype: 'float32', shape };
  },
  gradient: () => [],
  asLinear: (x, [nibbles, scales, offsets], bias) => {
    const y = blocksLinear(x, { nibbles: nibbles!, scales: scales! }, bias);
    return offsets ? add(y, linear(blockSums(x), offsets)) : y;
  },
  onnx: (emit, [nibbles, scales, offsets], { inputs }) => {
    const [rows, columns] = sizeOfMatrix(inputs[0]!);
    const values = unpacked(emit, [nibbles!, scales!], [rows, columns]);
    if (!offsets) return values;
    const blocks = emit.node('Reshape', [...values, emit.ints([rows, columns / BLOCK, BLOCK])]);
    const wide = emit.node('Reshape', [offsets, emit.ints([rows, columns / BLOCK, 1])]);
    return emit.node('Reshape', [...emit.node('Add', [...blocks, ...wide]), emit.ints([rows, columns])]);
  },
  reference: ([nibbles, scales, offsets]) => {
    const values = unpackedReference(nibbles!, scales!);
    return [offsets ? values.map((value, i) => value + offsets.data[Math.floor(i / BLOCK)]!) : values];
  },
  samples: [{ inputs: blockSamples }, { inputs: [...blockSamples, small(7, 3)] }],
};

/**
 * One number for each block of x [..., in]: what an offset is multiplied by. [..., in / 32] A product with ones and zeros: sums
 * of 32 neighbours, and their way back, take ONNX Runtime several times as long.
 */
const blockSums = (x: Tensor): Tensor => linear(x, memberships(x.shape.at(-1) as number));

/** One tensor for each width, so that a model holds it once. */
const known = new Map<number, Tensor>();

/** Which columns belong to which block. [in / 32, in] */
function memberships(columns: number): Tensor {
  const made = known.get(columns);
  if (made) return made;
  const data = new Float32Array((columns / BLOCK) * columns);
  for (let column = 0; column < columns; column++) data[Math.floor(column / BLOCK) * columns + column] = 1;
  const tensor: Tensor = { dtype: 'float32', shape: [columns / BLOCK, columns], data };
  known.set(columns, tensor);
  return tensor;
}

/** Numbers [rows, columns]. On a CPU the bits stay together until they are scaled, in one pass. */
function unpacked(emit: Emitter, [nibbles, scales]: string[], [rows, columns]: [number, number]): string[] {
  const counts = [rows, columns / BLOCK];
  if (emit.target === 'portable') {
    const steps = unpackNibbles(emit, nibbles!, [...counts, BLOCK]);
    const wide = emit.node('Reshape', [scales!, emit.ints([...counts, 1])]);
    return emit.node('Reshape', [...emit.node('Mul', [...steps, ...wide]), emit.ints([rows, columns])]);
  }
  const eights = emit.node('Expand', [emit.scalar(8, 'uint8'), emit.ints(counts)]);
  const zeros = emit.node('Cast', eights, { to: UINT4 });
  const steps = emit.fourBits(nibbles!, [rows, columns]);
  return emit.node('DequantizeLinear', [steps, scales!, ...zeros], { axis: 1, block_size: BLOCK });
}

/** x·Wᵀ + b for x [..., in], without the offsets. */
const blocksLinearRow: Operation = {
  name: 'blocksLinear',
  costly: true,
  type: ([x, nibbles, , bias]) => {
    const [outs, ins] = sizeOfMatrix(nibbles!);
    expectShape(`weight of blocksLinear on [${x!.shape}]`, [ins], [x!.shape.at(-1)!]);
    if (bias) expectShape('bias of blocksLinear', bias.shape, [outs]);
    return { dtype: 'float32', shape: [...x!.shape.slice(0, -1), outs] };
  },
  gradient: (dy, [, nibbles, scales, bias]) => [
    apply<void>(blocksBackRow, [dy, nibbles!, scales!], undefined),
    undefined,
    undefined,
    bias && sumTo(dy, bias.shape),
  ],
  onnx: (emit, [x, nibbles, scales, bias], { inputs }) => {
    const y = blockProduct(emit, [x!, nibbles!, scales!], sizeOfMatrix(inputs[1]!));
    return bias ? emit.node('Add', [...y, bias]) : y;
  },
  reference: ([x, nibbles, scales, bias]) => {
    const { outs, ins, at } = matrix(nibbles!, scales!);
    return [linearReference(x!.data, { ins, outs, weight: at, bias })];
  },
  samples: [{ inputs: [['batch', 'seq', 96], ...blockSamples, [7]] }, { inputs: [['batch', 96], ...blockSamples] }],
};

/** dy·W for dy [..., out]: the way back through blocksLinear. */
const blocksBackRow: Operation = {
  name: 'blocksBack',
  costly: true,
  type: ([dy, nibbles]) => {
    const [outs, ins] = sizeOfMatrix(nibbles!);
    expectShape(`weight of blocksBack on [${dy!.shape}]`, [outs], [dy!.shape.at(-1)!]);
    return { dtype: 'float32', shape: [...dy!.shape.slice(0, -1), ins] };
  },
  gradient: (dx, [, nibbles, scales]) => [blocksLinear(dx, { nibbles: nibbles!, scales: scales! })],
  onnx: (emit, [dy, nibbles, scales], { inputs }) =>
    emit.node('MatMul', [dy!, ...unpacked(emit, [nibbles!, scales!], sizeOfMatrix(inputs[1]!))]),
  reference: ([dy, nibbles, scales]) => {
    const { outs, ins, at } = matrix(nibbles!, scales!);
    return [linearReference(dy!.data, { ins: outs, outs: ins, weight: (i, o) => at(o, i) })];
  },
  samples: [{ inputs: [['batch', 'seq', 7], ...blockSamples] }],
};

function matrix(nibbles: HostArray, scales: HostArray) {
  const values = unpackedReference(nibbles, scales);
  const outs = nibbles.shape[0]!;
  const ins = values.length / outs;
  return { outs, ins, at: (o: number, i: number): number => values[o * ins + i]! };
}

export const blocksRows = { unpackBlocks: unpackBlocksRow, blocksLinear: blocksLinearRow, blocksBack: blocksBackRow };

/** A frozen weight in the blocks of its file, as a float tensor [out, in] that `linear` knows a shorter way for. */
export const unpackBlocks = ({ nibbles, scales }: Blocks, offsets?: Tensor): Tensor =>
  apply<void>(unpackBlocksRow, offsets ? [nibbles, scales, offsets] : [nibbles, scales], undefined);

const blocksLinear = (x: Tensor, { nibbles, scales }: Blocks, bias?: Tensor): Tensor =>
  apply<void>(blocksLinearRow, bias ? [x, nibbles, scales, bias] : [x, nibbles, scales], undefined);
