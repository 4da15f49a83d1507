/** Layers over weights of 8 bits, which stand for weight · scale. For inference: nothing here has a gradient. */
import { apply, expectShape, type Operation, type Tensor } from '../graph/index.ts';
import { mul, toFloat } from './elementwise.ts';
import { integerProduct, roundedByRow } from './integerProduct.ts';
import { gather } from './lookup.ts';
import { linearReference } from './matmul.ts';

/**
 * y = x·(W·scale) + b for x [..., in], W int8 [in, out], scale [out], b [out]. x is rounded, too, each row on its own. The
 * products are sums of integers.
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
  onnx: (emit, [x, w, scale, bias], { inputs, outputs }) => {
    const ins = inputs[1]!.shape[0] as number;
    return integerProduct(emit, x!, { steps: w!, scale: scale!, bias, ins }, outputs[0]!.shape);
  },
  reference: ([x, w, scale, bias]) => {
    const [ins, outs] = w!.shape as [number, number];
    const weight = (o: number, i: number): number => w!.data[i * outs + o]! * scale!.data[o]!;
    return [linearReference(roundedByRow(x!.data, ins), { ins, outs, weight, bias })];
  },
  samples: [
    { inputs: [['batch', 'seq', 4], { shape: [4, 3], from: -63, below: 64, dtype: 'int8' }, [3], [3]] },
    { inputs: [{ shape: ['batch', 4], positive: true }, { shape: [4, 3], from: -63, below: 64, dtype: 'int8' }, [3]] },
  ],
};

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
