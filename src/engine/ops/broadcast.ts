/** Repeating along axes, summing over them, and the sum that undoes broadcasting: each is the gradient of the other. */
import {
  apply,
  broadcast,
  expectShape,
  type Operation,
  offsets,
  type Shape,
  sameShape,
  sizeOf,
  type Tensor,
} from '../graph/index.ts';
import { reshape } from './reshape.ts';

const expandRow: Operation<{ shape: Shape }> = {
  name: 'expand',
  type: ([x], { shape }) => {
    expectShape('expand', broadcast(x!.shape, shape), shape);
    return { dtype: x!.dtype, shape };
  },
  gradient: (dy, [x]) => [sumTo(dy, x!.shape)],
  onnx: (emit, [x], { inputs, attributes }) =>
    emit.node('Expand', [x!, emit.expandTarget(inputs[0]!.shape, attributes.shape)]),
  reference: ([x], _, [out]) => [Float64Array.from(offsets(x!.shape, out!.shape), (at) => x!.data[at]!)],
  samples: [{ inputs: [['seq', 1]], attributes: { shape: ['batch', 'seq', 4] } }],
};

/** Sum over axes, which stay as size 1: the gradient is then a plain expand. */
const sumRow: Operation<{ axes: readonly number[] }> = {
  name: 'sum',
  type: ([x], { axes }) => ({ dtype: x!.dtype, shape: x!.shape.map((dim, i) => (axes.includes(i) ? 1 : dim)) }),
  gradient: (dy, [x]) => [expand(dy, x!.shape)],
  // One axis at a time, the last first: ONNX Runtime takes more than twice as long for several at once.
  onnx: (emit, [x], { attributes }) => {
    let sums = x!;
    for (const axis of (attributes.axes as readonly number[]).toSorted((a, b) => b - a)) {
      sums = emit.node('ReduceSum', [sums, emit.ints([axis])], { keepdims: 1 })[0]!;
    }
    return [sums];
  },
  reference: ([x], _, [out]) => {
    const total = new Float64Array(sizeOf(out!.shape));
    offsets(out!.shape, x!.shape).forEach((to, from) => {
      total[to]! += x!.data[from]!;
    });
    return [total];
  },
  samples: [
    { inputs: [['batch', 'seq', 4]], attributes: { axes: [1] } },
    { inputs: [['batch', 'seq', 4]], attributes: { axes: [0, 2] } },
  ],
};

export const broadcastRows = { expand: expandRow, sum: sumRow };

export const expand = (x: Tensor, shape: Shape): Tensor =>
  sameShape(x.shape, shape) ? x : apply(expandRow, [x], { shape });
export const sum = (x: Tensor, axes: readonly number[]): Tensor => apply(sumRow, [x], { axes });

/** Sums a broadcast result back to the shape it came from. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const added = x.shape.length - shape.length;
  const axes = x.shape.flatMap((dim, i) => (dim !== 1 && (i < added || shape[i - added] === 1) ? [i] : []));
  const summed = axes.length > 0 ? sum(x, axes) : x;
  return sameShape(summed.shape, shape) ? summed : reshape(summed, shape);
}
