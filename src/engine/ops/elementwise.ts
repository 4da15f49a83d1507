/** One value in, one value out, with broadcasting. The family sums each gradient back to its input's shape. */

import type { Tensor } from '../graph/index.ts';
import {
  apply,
  broadcast,
  type DType,
  type Operand,
  type Operation,
  offsets,
  type Sample,
  type SampleInput,
  sizeOf,
} from '../graph/index.ts';
import { sumTo } from './broadcast.ts';
import { errorFunction, logistic, tanhGelu } from './special.ts';

type Local = (dy: Tensor, x: readonly Tensor[], y: Tensor) => (Tensor | undefined)[];
interface Formula {
  onnx: Operation['onnx'];
  reference: (...x: number[]) => number;
  gradient?: Local;
  dtype?: DType | 'last';
  samples?: readonly Sample<void>[];
}

const unarySamples: readonly Sample<void>[] = [{ inputs: [['batch', 3]] }];
const saturating: readonly Sample<void>[] = [...unarySamples, { inputs: [{ shape: ['batch', 3], scale: 100 }] }];
const binarySamples: readonly Sample<void>[] = [
  { inputs: [['batch', 'seq', 4], [4]] },
  {
    inputs: [
      ['seq', 1],
      ['batch', 1, 4],
    ],
  },
];
const someInts = (below: number): SampleInput => ({ shape: ['batch', 3], below, dtype: 'int32' });
const positive: readonly Sample<void>[] = [{ inputs: [{ shape: ['batch', 3], positive: true }] }];

function elementwise(name: string, { onnx, reference, gradient, dtype, samples }: Formula): Operation {
  return {
    name,
    onnx,
    type: (x) => ({
      dtype: dtype === 'last' ? x.at(-1)!.dtype : (dtype ?? x[0]!.dtype),
      shape: x.map((tensor) => tensor.shape).reduce(broadcast),
    }),
    gradient: (dy, x, [y]) => (gradient?.(dy, x, y!) ?? []).map((dx, i) => dx && sumTo(dx, x[i]!.shape)),
    reference: (x, _, [out]) => {
      const at = x.map((array) => offsets(array.shape, out!.shape));
      const value = (i: number): number => reference(...x.map((array, k) => array.data[at[k]![i]!]!));
      return [Float64Array.from({ length: sizeOf(out!.shape) }, (_, i) => value(i))];
    },
    samples: samples ?? (reference.length === 1 ? unarySamples : binarySamples),
  };
}

export const elementwiseRows = {
  add: elementwise('add', { onnx: 'Add', reference: (a, b) => a! + b!, gradient: (dy) => [dy, dy] }),
  sub: elementwise('sub', { onnx: 'Sub', reference: (a, b) => a! - b!, gradient: (dy) => [dy, neg(dy)] }),
  mul: elementwise('mul', {
    onnx: 'Mul',
    reference: (a, b) => a! * b!,
    gradient: (dy, [a, b]) => [mul(dy, b!), mul(dy, a!)],
  }),
  div: elementwise('div', {
    onnx: 'Div',
    reference: (a, b) => a! / b!,
    gradient: (dy, [, b], y) => [div(dy, b!), neg(div(mul(dy, y), b!))],
    samples: [{ inputs: [['batch', 'seq', 4], { shape: [4], positive: true }] }],
  }),
  neg: elementwise('neg', { onnx: 'Neg', reference: (x) => -x!, gradient: (dy) => [neg(dy)] }),
  exp: elementwise('exp', { onnx: 'Exp', reference: (x) => Math.exp(x!), gradient: (dy, _, y) => [mul(dy, y)] }),
  log: elementwise('log', {
    onnx: 'Log',
    reference: (x) => Math.log(x!),
    gradient: (dy, [x]) => [div(dy, x!)],
    samples: positive,
  }),
  sqrt: elementwise('sqrt', {
    onnx: 'Sqrt',
    reference: (x) => Math.sqrt(x!),
    gradient: (dy, _, y) => [div(dy, mul(2, y))],
    samples: positive,
  }),
  sin: elementwise('sin', { onnx: 'Sin', reference: (x) => Math.sin(x!), gradient: (dy, [x]) => [mul(dy, cos(x!))] }),
  cos: elementwise('cos', {
    onnx: 'Cos',
    reference: (x) => Math.cos(x!),
    gradient: (dy, [x]) => [neg(mul(dy, sin(x!)))],
  }),
  // y = tanh x, so dy/dx = 1 − y²: the output is reused.
  tanh: elementwise('tanh', {
    onnx: 'Tanh',
    reference: (x) => Math.tanh(x!),
    gradient: (dy, _, y) => [mul(dy, sub(1, mul(y, y)))],
    samples: saturating,
  }),
  sigmoid: elementwise('sigmoid', {
    onnx: 'Sigmoid',
    reference: (x) => logistic(x!),
    gradient: (dy, _, y) => [mul(dy, mul(y, sub(1, y)))],
    samples: saturating,
  }),
  relu: elementwise('relu', {
    onnx: 'Relu',
    reference: (x) => Math.max(x!, 0),
    gradient: (dy, [x]) => [where(less(0, x!), dy, 0)],
  }),
  // x/2 + 1/2, cut off at 0 and 1.
  hardSigmoid: elementwise('hardSigmoid', {
    onnx: (emit, x) => emit.node('HardSigmoid', x, { alpha: { float: 0.5 }, beta: { float: 0.5 } }),
    reference: (x) => Math.min(1, Math.max(0, x! / 2 + 0.5)),
    gradient: (dy, [x]) => [where(less(mul(x!, x!), 1), mul(dy, 0.5), 0)],
    samples: saturating,
  }),
  erf: elementwise('erf', {
    onnx: 'Erf',
    reference: (x) => errorFunction(x!),
    gradient: (dy, [x]) => [mul(dy, mul(exp(neg(mul(x!, x!))), 2 / Math.sqrt(Math.PI)))],
  }),
  // y = x·Φ(x), dy/dx = Φ(x) + x·φ(x) (https://arxiv.org/abs/1606.08415)
  gelu: elementwise('gelu', {
    onnx: 'Gelu',
    reference: (x) => (x! * (1 + errorFunction(x! / Math.SQRT2))) / 2,
    gradient: (dy, [x]) => {
      const s = mul(x!, Math.SQRT1_2);
      const cumulative = hardSigmoid(erf(s)); // (1 + erf s)/2, in one pass
      const density = exp(sub(-Math.log(Math.PI) / 2, mul(s, s))); // e^(−s²)/√π
      return [mul(dy, add(cumulative, mul(s, density)))];
    },
    samples: saturating,
  }),
  // y = x/2·(1 + tanh u), u = √(2/π)·(x + 0.044715x³): what checkpoints call gelu_new and gelu_pytorch_tanh.
  geluTanh: elementwise('geluTanh', {
    onnx: (emit, x) => emit.node('Gelu', x, { approximate: 'tanh' }),
    reference: (x) => tanhGelu(x!),
    gradient: (dy, [x]) => {
      const square = mul(x!, x!);
      const rate = Math.sqrt(2 / Math.PI);
      const t = tanh(mul(mul(x!, add(mul(square, 0.044715), 1)), rate));
      const slope = mul(add(mul(square, 3 * 0.044715), 1), rate); // du/dx
      const curve = mul(mul(mul(x!, sub(1, mul(t, t))), slope), 0.5);
      return [mul(dy, add(mul(add(t, 1), 0.5), curve))];
    },
    samples: saturating,
  }),
  less: elementwise('less', {
    onnx: 'Less',
    reference: (a, b) => Number(a! < b!),
    dtype: 'bool',
    samples: [...binarySamples, { inputs: [someInts(3), someInts(3)] }],
  }),
  equal: elementwise('equal', {
    onnx: 'Equal',
    reference: (a, b) => Number(a === b),
    dtype: 'bool',
    samples: [
      {
        inputs: [{ shape: ['batch', 1], below: 3, dtype: 'int32' }, someInts(3)],
      },
    ],
  }),
  where: elementwise('where', {
    onnx: 'Where',
    reference: (condition, a, b) => (condition ? a! : b!),
    dtype: 'last',
    gradient: (dy, [condition]) => [undefined, where(condition!, dy, 0), where(condition!, 0, dy)],
    samples: [
      { inputs: [{ shape: ['batch', 1], below: 2, dtype: 'bool' }, ['batch', 3], [3]] },
      { inputs: [{ shape: ['batch', 3], below: 2, dtype: 'bool' }, someInts(5), someInts(5)] },
    ],
  }),
  // The value as a given number: nothing flows back through it.
  stopGradient: elementwise('stopGradient', { onnx: 'Identity', reference: (x) => x! }),
  toFloat: elementwise('toFloat', {
    onnx: (emit, [x]) => [emit.cast(x!, 'float32')],
    reference: (x) => x!,
    dtype: 'float32',
    samples: [{ inputs: [someInts(9)] }, { inputs: [{ shape: ['batch', 3], below: 2, dtype: 'bool' }] }],
  }),
  toInt32: elementwise('toInt32', {
    onnx: (emit, [x]) => [emit.cast(x!, 'int32')],
    reference: (x) => x!,
    dtype: 'int32',
    samples: [{ inputs: [{ shape: ['batch', 3], below: 9, dtype: 'int64' }] }],
  }),
} satisfies Record<string, Operation>;

type Name = keyof typeof elementwiseRows;
const one =
  (name: Name) =>
  (x: Operand): Tensor =>
    apply<void>(elementwiseRows[name], [x], undefined);
const two =
  (name: Name) =>
  (a: Operand, b: Operand): Tensor =>
    apply<void>(elementwiseRows[name], [a, b], undefined);

type Unary = (x: Operand) => Tensor;
type Binary = (a: Operand, b: Operand) => Tensor;
export const add: Binary = two('add');
export const sub: Binary = two('sub');
export const mul: Binary = two('mul');
export const div: Binary = two('div');
export const less: Binary = two('less');
export const equal: Binary = two('equal');
export const neg: Unary = one('neg');
export const exp: Unary = one('exp');
export const log: Unary = one('log');
export const sqrt: Unary = one('sqrt');
export const sin: Unary = one('sin');
export const cos: Unary = one('cos');
export const tanh: Unary = one('tanh');
export const sigmoid: Unary = one('sigmoid');
export const relu: Unary = one('relu');
export const erf: Unary = one('erf');
const hardSigmoid: Unary = one('hardSigmoid');
export const gelu: Unary = one('gelu');
export const stopGradient: Unary = one('stopGradient');
export const geluTanh: Unary = one('geluTanh');
export const toFloat: Unary = one('toFloat');
export const toInt32: Unary = one('toInt32');
export const where = (condition: Tensor, a: Operand, b: Operand): Tensor =>
  apply<void>(elementwiseRows.where, [condition, a, b], undefined);
/** x·σ(x), also called swish (https://arxiv.org/abs/1702.03118). */
export const silu = (x: Tensor): Tensor => mul(x, sigmoid(x));
