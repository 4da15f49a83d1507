/** Layers over weights of 8 bits, which stand for weight · scale. For inference: nothing here has a gradient. */
import { apply, expectShape, type HostArray, type Operation, sizeOf, type Tensor } from '../graph/index.ts';
import { mul, toFloat } from './elementwise.ts';
import { gather } from './lookup.ts';

/**
 * y = x·(W·scale) + b for x [..., in], W int8 [in, out], scale [out], b [out]. x is rounded, too: each of its rows is
 * divided by its largest value, then all are brought to 256 steps. The products are sums of integers.
 */
const quantisedLinearRow: Operation = {
  name: 'quantisedLinear',
  costly: true,
  type: ([x, w, scale, b]) => {
    const [ins, outs] = w!.shape as [number, number];
    expectShape(`weight of quantisedLinear on [${x!.shape}]`, [ins], [x!.shape.at(-1)!]);
    for (const vector of [scale!, b]) if (vector) expectShape('scale or bias of quantisedLinear', vector.shape, [outs]);
    return { dtype: 'float32', shape: [...x!.shape.slice(0, -1), outs] };
  },
  gradient: () => [],
  onnx: (emit, [x, w, scale, b]) => {
    const over = (type: string): string[] => emit.node(type, [x!, emit.ints([-1])], { keepdims: 1 });
    const lowest = emit.node('Mul', [...over('ReduceMin'), emit.scalar(LOWEST, 'float32')]);
    const largest = emit.node('Max', [...over('ReduceMax'), ...lowest, emit.scalar(TINY, 'float32')]); // [..., 1]
    const even = emit.node('Div', [x!, ...largest]);
    // From here to the second product in this very order: ONNX Runtime makes one operation of it.
    const [steps, size, zero] = emit.node('DynamicQuantizeLinear', even, {}, { outputs: 3 });
    const [sums] = emit.node('MatMulInteger', [steps!, w!, zero!]);
    const y = emit.node('Mul', [emit.cast(sums!, 'float32'), ...emit.node('Mul', [size!, scale!])]);
    const scaled = emit.node('Mul', [...y, ...largest]);
    return b ? emit.node('Add', [...scaled, b]) : scaled;
  },
  reference: ([x, w, scale, b], _, [out]) => {
    const [ins, outs] = w!.shape as [number, number];
    const rounded = roundedRows(x!);
    const element = (index: number): number => {
      const [row, o] = [Math.floor(index / outs), index % outs];
      let total = 0;
      for (let i = 0; i < ins; i++) total += rounded[row * ins + i]! * w!.data[i * outs + o]!;
      return total * scale!.data[o]! + (b?.data[o] ?? 0);
    };
    return [Float64Array.from({ length: sizeOf(out!.shape) }, (_, index) => element(index))];
  },
  samples: [
    { inputs: [['batch', 'seq', 4], { shape: [4, 3], from: -63, below: 64, dtype: 'int8' }, [3], [3]] },
    { inputs: [{ shape: ['batch', 4], positive: true }, { shape: [4, 3], from: -63, below: 64, dtype: 'int8' }, [3]] },
  ],
};

/** A row between −128/127 and 1 has 0 on a step; between −1 and 1 it would lie between two of the 256. */
const LOWEST = -127 / 128;
/** Divides a row of zeros. */
const TINY = 1e-30;

/** What is left of the rows when they were rounded (ONNX: DynamicQuantizeLinear). */
function roundedRows({ shape, data }: HostArray): Float64Array {
  const width = shape.at(-1)!;
  const rowAt = (i: number): Float64Array => data.subarray(i - (i % width), i - (i % width) + width);
  const largest = data.map((_, i) => Math.max(TINY, ...rowAt(i), LOWEST * Math.min(...rowAt(i))));
  const even = data.map((value, i) => value / largest[i]!);
  const [least, most] = [Math.min(0, ...even), Math.max(0, ...even)];
  const size = (most - least) / 255;
  const zero = Math.round(-least / size);
  const within = (step: number): number => Math.min(255, Math.max(0, step));
  return even.map((value, i) => (within(Math.round(value / size) + zero) - zero) * size * largest[i]!);
}

export const quantisedRows = { quantisedLinear: quantisedLinearRow };

interface QuantisedWeight {
  readonly weight: Tensor;
  readonly scale: Tensor;
}

export const quantisedLinear = (x: Tensor, { weight, scale }: QuantisedWeight, bias?: Tensor): Tensor =>
  apply<void>(quantisedLinearRow, bias ? [x, weight, scale, bias] : [x, weight, scale], undefined);

/** weight int8 [rows, width], scale [rows, 1], ids [...] → [..., width] */
export const quantisedGather = ({ weight, scale }: QuantisedWeight, ids: Tensor): Tensor =>
  mul(toFloat(gather(weight, ids)), gather(scale, ids));
