/** Sums over axes, and the sum that undoes broadcasting. */
import { apply, type Operation, offsets, type Shape, sameShape, sizeOf, type Tensor } from '../graph/index.ts';
import { mul } from './elementwise.ts';
import { expand, reshape } from './shape.ts';

/** Sum over axes, which stay as size 1: the gradient is then a plain expand. */
const sumRow: Operation<{ axes: readonly number[] }> = {
  name: 'sum',
  type: ([x], { axes }) => ({ dtype: x!.dtype, shape: x!.shape.map((dim, i) => (axes.includes(i) ? 1 : dim)) }),
  gradient: (dy, [x]) => [expand(dy, x!.shape)],
  onnx: (emit, [x], { attributes }) => emit.node('ReduceSum', [x!, emit.ints(attributes.axes)], { keepdims: 1 }),
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

export const reduceRows = { sum: sumRow };

export const sum = (x: Tensor, axes: readonly number[]): Tensor => apply(sumRow, [x], { axes });
export const sumAll = (x: Tensor): Tensor => reshape(sum(x, [...x.shape.keys()]), []);

/** Mean over the last axis, which must have a fixed size and stays as size 1. */
export function meanLast(x: Tensor): Tensor {
  const width = x.shape.at(-1);
  if (typeof width !== 'number') throw new Error(`internal: mean over '${width}', which has no fixed size`);
  return mul(sum(x, [x.shape.length - 1]), 1 / width);
}

/** Sums a broadcast result back to the shape it came from. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const added = x.shape.length - shape.length;
  const axes = x.shape.flatMap((dim, i) => (dim !== 1 && (i < added || shape[i - added] === 1) ? [i] : []));
  const summed = axes.length > 0 ? sum(x, axes) : x;
  return sameShape(summed.shape, shape) ? summed : reshape(summed, shape);
}
