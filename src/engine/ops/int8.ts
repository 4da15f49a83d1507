/** Linear layers in 8 bits, forward and backward: products are sums of integers. */
import { apply, type Emitter, expectShape, type HostArray, type Operation, type Tensor } from '../graph/index.ts';
import { sumTo } from './broadcast.ts';
import { integerProduct, roundedByRow } from './integerProduct.ts';
import { linearReference, matmul, rowsOnly } from './matmul.ts';
import { SUMMED } from './quantise.ts';

/**
 * One matrix W [out, in] as two: by columns for x·Wᵀ, and by rows for dy·W. Each is rounded on its own, so that every
 * number of a result has a scale of its own.
 */
export interface Int8Weight {
  /** int8 [in, out] */
  readonly forward: Tensor;
  /** [out] */
  readonly forwardScale: Tensor;
  /** int8 [out, in] */
  readonly backward: Tensor;
  /** [in] */
  readonly backwardScale: Tensor;
}

const leavesOf = ({ forward, forwardScale, backward, backwardScale }: Int8Weight): Tensor[] => [
  forward,
  forwardScale,
  backward,
  backwardScale,
];
const weightOf = ([forward, forwardScale, backward, backwardScale]: readonly Tensor[]): Int8Weight => ({
  forward: forward!,
  forwardScale: forwardScale!,
  backward: backward!,
  backwardScale: backwardScale!,
});
const reversed = ({ forward, forwardScale, backward, backwardScale }: Int8Weight): Int8Weight => ({
  forward: backward,
  forwardScale: backwardScale,
  backward: forward,
  backwardScale: forwardScale,
});

/** The weight as numbers [out, in], for whoever reads more than a product. `linear` takes the integers instead. */
const unpackInt8Row: Operation = {
  name: 'unpackInt8',
  type: ([forward]) => ({ dtype: 'float32', shape: forward!.shape.toReversed() }),
  gradient: () => [],
  asLinear: (x, { inputs }, bias) => int8Linear(x, weightOf(inputs), bias),
  onnx: (emit, [forward, scale]) => {
    const product = emit.node('Mul', [emit.cast(forward!, 'float32'), scale!]); // [in, out]
    return emit.node('Transpose', product, { perm: [1, 0] });
  },
  reference: ([forward, scale]) => {
    const [ins, outs] = forward!.shape as [number, number];
    const value = (index: number): number => {
      const [o, i] = [Math.floor(index / ins), index % ins];
      return forward!.data[i * outs + o]! * scale!.data[o]!;
    };
    return [Float64Array.from({ length: ins * outs }, (_, index) => value(index))];
  },
  samples: [{ inputs: [steps(4, 3), [3], steps(3, 4), [4]] }],
};

function steps(...shape: number[]) {
  return { shape, from: -63, below: 64, dtype: 'int8' } as const;
}

/**
 * y = x·Wᵀ + b for x [..., in], whose rows are rounded each on its own. The gradient is that of the product without
 * rounding (straight through), with dy rounded in its turn.
 */
const int8LinearRow: Operation = {
  name: 'int8Linear',
  costly: true,
  type: ([x, forward, scale, backward, , bias]) => {
    const [ins, outs] = forward!.shape as [number, number];
    expectShape(`weight of int8Linear on [${x!.shape}]`, [ins], [x!.shape.at(-1)!]);
    expectShape('second form of the weight of int8Linear', backward!.shape, [outs, ins]);
    for (const vector of [scale!, bias]) if (vector) expectShape('scale or bias of int8Linear', vector.shape, [outs]);
    return { dtype: 'float32', shape: [...x!.shape.slice(0, -1), outs] };
  },
  gradient: (dy, [, ...rest]) => {
    const bias = rest[4];
    const dx = int8Linear(dy, reversed(weightOf(rest)));
    return [dx, undefined, undefined, undefined, undefined, bias && sumTo(dy, bias.shape)];
  },
  onnx: (emit, [x, steps, scale, , , bias], { inputs, outputs }) => {
    const ins = inputs[1]!.shape[0] as number;
    return integerProduct(emit, x!, { steps: steps!, scale: scale!, bias, ins }, outputs[0]!.shape);
  },
  reference: ([x, forward, scale, , , bias]) => {
    const [ins, outs] = forward!.shape as [number, number];
    const weight = (o: number, i: number): number => forward!.data[i * outs + o]! * scale!.data[o]!;
    return [linearReference(roundedByRow(x!.data, ins), { ins, outs, weight, bias })];
  },
  samples: [
    { inputs: [['batch', 'seq', 4], steps(4, 3), [3], steps(3, 4), [4], [3]] },
    { inputs: [['batch', 4], steps(4, 3), [3], steps(3, 4), [4]] },
  ],
};

/** Number of ONNX's int8. */
const INT8 = 3;

/** What a trained weight [out, in] is rounded to: whole steps, and the size of one for each row. */
function roundedWeight(emit: Emitter, weight: string): { steps: string; scale: string } {
  const extreme = (type: string): string => emit.node(type, [weight, emit.ints([1])], { keepdims: 0 })[0]!;
  const largest = emit.node('Max', [extreme('ReduceMax'), ...emit.node('Neg', [extreme('ReduceMin')])]);
  const scale = emit.node('Mul', [...largest, emit.scalar(1 / SUMMED, 'float32')])[0]!; // [out]
  const steps = emit.node('QuantizeLinear', [weight, scale], { axis: 0, output_dtype: INT8 })[0]!; // [out, in]
  return { steps, scale };
}

/** The same in numbers: steps, and the size of one for each row. */
function roundedRows({ shape, data }: HostArray): { steps: Float64Array; scale: Float64Array } {
  const [rows, width] = shape as [number, number];
  const scale = Float64Array.from({ length: rows }, (_, row) => {
    const values = data.subarray(row * width, (row + 1) * width);
    return values.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) / SUMMED;
  });
  return { steps: data.map((value, i) => Math.round(value / scale[Math.floor(i / width)]!)), scale };
}

/**
 * y = x·Wᵀ + b for a trained W [out, in], forward and for x's gradient in 8 bits; the gradient of W, and W itself, in
 * full (SwitchBack, https://arxiv.org/abs/2304.13013). W is rounded anew in every step, each row by its largest value.
 */
const switchBackRow: Operation = {
  name: 'switchBack',
  costly: true,
  type: ([x, w]) => ({ dtype: 'float32', shape: [...x!.shape.slice(0, -1), w!.shape[0]!] }),
  gradient: (dy, [x, w, bias]) => [
    apply<void>(switchBackInputRow, [dy, w!], undefined), // [..., in]
    matmul(rowsOnly(dy), rowsOnly(x!), { transA: true }), // [out, in]
    bias && sumTo(dy, bias.shape), // [out]
  ],
  onnx: (emit, [x, w, bias], { inputs, outputs }) => {
    const { steps, scale } = roundedWeight(emit, w!);
    const turned = emit.node('Transpose', [steps], { perm: [1, 0] })[0]!;
    const ins = inputs[1]!.shape[1] as number;
    return integerProduct(emit, x!, { steps: turned, scale, bias, ins }, outputs[0]!.shape);
  },
  reference: ([x, w, bias]) => {
    const [outs, ins] = w!.shape as [number, number];
    const { steps, scale } = roundedRows(w!);
    const weight = (o: number, i: number): number => steps[o * ins + i]! * scale[o]!;
    return [linearReference(roundedByRow(x!.data, ins), { ins, outs, weight, bias })];
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

/**
 * dy·W, both in 8 bits. The scales of W's rows go into dy before it is rounded, so that the same steps serve again; and
 * each row of dy is rounded by its own largest value, for gradients differ between tokens by orders of magnitude.
 */
const switchBackInputRow: Operation = {
  name: 'switchBackInput',
  type: ([dy, w]) => ({ dtype: 'float32', shape: [...dy!.shape.slice(0, -1), w!.shape[1]!] }),
  gradient: () => [],
  onnx: (emit, [dy, w], { inputs, outputs }) => {
    const { steps, scale } = roundedWeight(emit, w!);
    const [scaled] = emit.node('Mul', [dy!, scale]);
    const ins = inputs[1]!.shape[0] as number;
    return integerProduct(emit, scaled!, { steps, scale: emit.scalar(1, 'float32'), ins }, outputs[0]!.shape);
  },
  reference: ([dy, w]) => {
    const [outs, ins] = w!.shape as [number, number];
    const { steps, scale } = roundedRows(w!);
    const scaled = dy!.data.map((value, i) => value * scale[i % outs]!);
    const layer = { ins: outs, outs: ins, weight: (i: number, o: number) => steps[o * ins + i]! };
    return [linearReference(roundedByRow(scaled, outs), layer)];
  },
  samples: [
    {
      inputs: [
        ['batch', 'seq', 3],
        [3, 4],
      ],
    },
  ],
};

export const int8Rows = {
  unpackInt8: unpackInt8Row,
  int8Linear: int8LinearRow,
  switchBack: switchBackRow,
  switchBackInput: switchBackInputRow,
};

/** A frozen weight of 8 bits as a float tensor [out, in] that `linear` knows a shorter way for. */
export const unpackInt8 = (weight: Int8Weight): Tensor => apply<void>(unpackInt8Row, leavesOf(weight), undefined);

const int8Linear = (x: Tensor, weight: Int8Weight, bias?: Tensor): Tensor =>
  apply<void>(int8LinearRow, [x, ...leavesOf(weight), ...(bias ? [bias] : [])], undefined);

/** `linear` with rounded products, for a weight that is trained. */
export const switchBackLinear = (x: Tensor, weight: Tensor, bias?: Tensor): Tensor =>
  apply<void>(switchBackRow, bias ? [x, weight, bias] : [x, weight], undefined);
