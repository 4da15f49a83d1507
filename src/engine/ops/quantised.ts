/** Layers over weights of 8 bits, which stand for weight · scale. For inference: nothing here has a gradient. */
import { apply, expectShape, type HostArray, type Operation, sizeOf, type Tensor } from '../graph/index.ts';
import { mul, toFloat } from './elementwise.ts';
import { gather } from './lookup.ts';

/**
 * y = x·(W·scale) + b for x [..., in], W int8 [in, out], scale [out], b [out]. x is rounded, too: to 255 steps between
 * its smallest and its largest value, of which 0 is one. The products are then sums of integers.
 */
const quantisedLinearRow: Operation = {
  name: 'quantisedLinear',
  type: ([x, w, scale, b]) => {
    const [ins, outs] = w!.shape as [number, number];
    expectShape(`weight of quantisedLinear on [${x!.shape}]`, [ins], [x!.shape.at(-1)!]);
    for (const vector of [scale!, b]) if (vector) expectShape('scale or bias of quantisedLinear', vector.shape, [outs]);
    return { dtype: 'float32', shape: [...x!.shape.slice(0, -1), outs] };
  },
  gradient: () => [],
  // In this very order: ONNX Runtime makes one operation of it.
  onnx: (emit, [x, w, scale, b]) => {
    const [steps, size, zero] = emit.node('DynamicQuantizeLinear', [x!], {}, { outputs: 3 });
    const [sums] = emit.node('MatMulInteger', [steps!, w!, zero!]);
    const y = emit.node('Mul', [emit.cast(sums!, 'float32'), ...emit.node('Mul', [size!, scale!])]);
    return b ? emit.node('Add', [...y, b]) : y;
  },
  reference: ([x, w, scale, b], _, [out]) => {
    const [ins, outs] = w!.shape as [number, number];
    const rounded = roundToSteps(x!);
    const element = (index: number): number => {
      const [row, o] = [Math.floor(index / outs), index % outs];
      let total = 0;
      for (let i = 0; i < ins; i++) total += rounded[row * ins + i]! * w!.data[i * outs + o]!;
      return total * scale!.data[o]! + (b?.data[o] ?? 0);
    };
    return [Float64Array.from({ length: sizeOf(out!.shape) }, (_, index) => element(index))];
  },
  samples: [
    { inputs: [['batch', 'seq', 4], { shape: [4, 3], from: -127, below: 128, dtype: 'int8' }, [3], [3]] },
    {
      inputs: [{ shape: ['batch', 4], positive: true }, { shape: [4, 3], from: -127, below: 128, dtype: 'int8' }, [3]],
    },
  ],
};

/** What is left of the values when they were rounded (ONNX: DynamicQuantizeLinear). */
function roundToSteps({ data }: HostArray): Float64Array {
  const [least, most] = [Math.min(0, ...data), Math.max(0, ...data)];
  const size = (most - least) / 255;
  const zero = Math.round(-least / size);
  const within = (step: number): number => Math.min(255, Math.max(0, step));
  return data.map((value) => (within(Math.round(value / size) + zero) - zero) * size);
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
