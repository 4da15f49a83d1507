/** Softmax and the normalisations of layers, over the last axis. */
import {
  apply,
  applyAll,
  type Emitter,
  type HostArray,
  type Operation,
  type SampleInput,
  type Tensor,
} from '../graph/index.ts';
import { sum, sumTo } from './broadcast.ts';
import { exp, mul, sub } from './elementwise.ts';
import { matmul } from './matmul.ts';
import { meanLast } from './reduce.ts';
import { reshape } from './reshape.ts';

/** Mean of x·weight over the last axis. */
function weightedMean(x: Tensor, weight: Tensor): Tensor {
  const width = weight.shape[0] as number;
  return matmul(x, reshape(weight, [width, 1]), { scale: 1 / width });
}

const lastAxis = (x: Tensor): number[] => [x.shape.length - 1];
const average = (row: readonly number[]): number => row.reduce((a, b) => a + b, 0) / row.length;

function byRow({ shape, data }: HostArray, compute: (row: number[]) => number[]): Float64Array {
  const width = shape.at(-1)!;
  const rows = Array.from({ length: data.length / width }, (_, i) => [...data.subarray(i * width, (i + 1) * width)]);
  return Float64Array.from(rows.flatMap(compute));
}

/** Exponentials of such values are infinite in single precision. */
const wide: SampleInput = { shape: ['batch', 'seq', 4], scale: 200 };

export const softmaxReference = (x: HostArray): Float64Array =>
  byRow(x, (row) => {
    const total = row.reduce((a, b) => a + Math.exp(b), 0);
    return row.map((value) => Math.exp(value) / total);
  });

const softmaxRow: Operation = {
  name: 'softmax',
  type: ([x]) => x!,
  gradient: (dy, [x], [y]) => {
    const weighted = mul(dy, y!);
    return [sub(weighted, mul(y!, sum(weighted, lastAxis(x!))))];
  },
  onnx: (emit, x) => emit.node('Softmax', x, { axis: -1 }),
  reference: ([x]) => [softmaxReference(x!)],
  samples: [{ inputs: [['batch', 'seq', 4]] }, { inputs: [wide] }],
};

/** Writes log Σ exp over the last axis. */
export function softmaxNormaliser(emit: Emitter, x: string): string {
  const over = (type: string, input: string): string[] => emit.node(type, [input, emit.ints([-1])], { keepdims: 1 });
  if (emit.target === 'cpu') return over('ReduceLogSumExp', x)[0]!;
  // WebGPU's own is infinite from 89 on: the largest value is taken out first.
  const [largest] = over('ReduceMax', x);
  const powers = emit.node('Exp', emit.node('Sub', [x, largest!]));
  return emit.node('Add', [largest!, ...emit.node('Log', over('ReduceSum', powers[0]!))])[0]!;
}

/** log Σ exp over the last axis, which stays as size 1. */
const logSumExpRow: Operation = {
  name: 'logSumExp',
  type: ([x]) => ({ dtype: 'float32', shape: [...x!.shape.slice(0, -1), 1] }),
  gradient: (dy, [x], [y]) => [mul(dy, exp(sub(x!, y!)))],
  onnx: (emit, [x]) => [softmaxNormaliser(emit, x!)],
  reference: ([x]) => [byRow(x!, (row) => [Math.log(row.reduce((a, b) => a + Math.exp(b), 0))])],
  samples: [{ inputs: [['batch', 'seq', 4]] }, { inputs: [wide] }],
};

/** γ·(x − μ)/σ + β; also returns μ and 1/σ, which the gradient reuses (https://arxiv.org/abs/1607.06450). */
const layerNormRow: Operation<{ eps: number }> = {
  name: 'layerNorm',
  type: ([x]) => {
    const statistic = { dtype: x!.dtype, shape: [...x!.shape.slice(0, -1), 1] };
    return [{ dtype: x!.dtype, shape: x!.shape }, statistic, statistic];
  },
  gradient: (dy, [x, weight, bias], [, mean, inverse]) => {
    const unit = mul(sub(x!, mean!), inverse!);
    const dUnit = mul(dy, weight!);
    const along = mul(dy, unit);
    // The mean of γ·along is a product with γ/D: one pass that only reads.
    const slope = weightedMean(along, weight!); // [..., 1]
    const centred = sub(sub(dUnit, meanLast(dUnit)), mul(unit, slope));
    return [mul(centred, inverse!), sumTo(along, weight!.shape), sumTo(dy, bias!.shape)];
  },
  onnx: (emit, x, { attributes }) =>
    emit.node('LayerNormalization', x, { axis: -1, epsilon: { float: attributes.eps } }, { outputs: 3 }),
  reference: ([x, weight, bias], { eps }) => {
    const mean = byRow(x!, (row) => [average(row)]);
    const variance = (row: number[]): number => average(row.map((value) => (value - average(row)) ** 2));
    const inverse = byRow(x!, (row) => [1 / Math.sqrt(variance(row) + eps)]);
    const width = weight!.shape[0]!;
    const y = x!.data.map((value, i) => {
      const row = Math.floor(i / width);
      return (value - mean[row]!) * inverse[row]! * weight!.data[i % width]! + bias!.data[i % width]!;
    });
    return [y, mean, inverse];
  },
  samples: [{ inputs: [['batch', 'seq', 4], [4], [4]], attributes: { eps: 1e-5 } }],
};

/** γ·x/√(mean x² + ε); also returns 1/√(mean x² + ε), which the gradient reuses (https://arxiv.org/abs/1910.07467). */
const rmsNormRow: Operation<{ eps: number }> = {
  name: 'rmsNorm',
  type: ([x]) => [
    { dtype: x!.dtype, shape: x!.shape },
    { dtype: x!.dtype, shape: [...x!.shape.slice(0, -1), 1] },
  ],
  gradient: (dy, [x, weight], [, inverse]) => {
    const unit = mul(x!, inverse!);
    const along = mul(dy, unit);
    const slope = weightedMean(along, weight!); // [..., 1]
    return [mul(sub(mul(dy, weight!), mul(unit, slope)), inverse!), sumTo(along, weight!.shape)];
  },
  onnx: (emit, x, { inputs, attributes: { eps } }) => {
    const write = (outputs: number): string[] =>
      emit.node('SimplifiedLayerNormalization', x, { axis: -1, epsilon: { float: eps } }, { outputs });
    if (emit.target === 'cpu') return write(2);
    // WebGPU's second output is the mean.
    const squares = emit.node('ReduceSumSquare', [x[0]!, emit.ints([-1])], { keepdims: 1 });
    const mean = emit.node('Div', [...squares, emit.scalar(inputs[0]!.shape.at(-1) as number, 'float32')]);
    const root = emit.node('Sqrt', emit.node('Add', [...mean, emit.scalar(eps, 'float32')]));
    return [...write(1), ...emit.node('Reciprocal', root)];
  },
  reference: ([x, weight], { eps }) => {
    const inverse = byRow(x!, (row) => [1 / Math.sqrt(average(row.map((value) => value ** 2)) + eps)]);
    const width = weight!.shape[0]!;
    return [x!.data.map((value, i) => value * inverse[Math.floor(i / width)]! * weight!.data[i % width]!), inverse];
  },
  samples: [{ inputs: [['batch', 'seq', 4], [4]], attributes: { eps: 1e-5 } }],
};

export const normaliseRows = {
  softmax: softmaxRow,
  logSumExp: logSumExpRow,
  layerNorm: layerNormRow,
  rmsNorm: rmsNormRow,
};

export const softmax = (x: Tensor): Tensor => apply<void>(softmaxRow, [x], undefined);
export const logSumExp = (x: Tensor): Tensor => apply<void>(logSumExpRow, [x], undefined);
export const layerNorm = (x: Tensor, { weight, bias, eps }: { weight: Tensor; bias: Tensor; eps: number }): Tensor =>
  applyAll(layerNormRow, [x, weight, bias], { eps })[0]!;
export const rmsNorm = (x: Tensor, { weight, eps }: { weight: Tensor; eps: number }): Tensor =>
  applyAll(rmsNormRow, [x, weight], { eps })[0]!;
