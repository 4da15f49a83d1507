/**
 * Moving values without changing them. Target shapes are attributes, not tensors: the ONNX writer turns a symbolic
 * shape into a constant where it can (0 = same as input, −1 = the rest) and reads sizes at run time only where it cannot.
 */
import {
  apply,
  applyAll,
  constant,
  type Dim,
  evaluate,
  minus,
  type Operation,
  plus,
  type Shape,
  sizeOf,
  strides,
  type Tensor,
  withDim,
} from '../graph/index.ts';
import { expand } from './broadcast.ts';
import { reshape } from './reshape.ts';

const transposeRow: Operation<{ order: readonly number[] }> = {
  name: 'transpose',
  type: ([x], { order }) => ({ dtype: x!.dtype, shape: order.map((axis) => x!.shape[axis]!) }),
  gradient: (dy, _x, _y, { order }) => [
    transpose(
      dy,
      order.map((__, axis) => order.indexOf(axis)),
    ),
  ],
  onnx: (emit, [x], { attributes }) => emit.node('Transpose', [x!], { perm: attributes.order }),
  reference: ([x], { order }, [out]) => {
    const from = strides(x!.shape);
    const to = strides(out!.shape);
    const source = (i: number): number =>
      order.reduce((at, axis, k) => at + from[axis]! * (Math.floor(i / to[k]!) % out!.shape[k]!), 0);
    return [Float64Array.from({ length: x!.data.length }, (_, i) => x!.data[source(i)]!)];
  },
  samples: [{ inputs: [['batch', 'seq', 4]], attributes: { order: [2, 0, 1] } }],
};

const concatRow: Operation<{ axis: number }> = {
  name: 'concat',
  type: (x, { axis }) => ({
    dtype: x[0]!.dtype,
    shape: withDim(x[0]!.shape, axis, x.map((tensor) => tensor.shape[axis]!).reduce(plus)),
  }),
  gradient: (dy, x, _, { axis }) => {
    let start: Dim = 0;
    return x.map(({ shape }) => {
      const piece = slice(dy, axis, { start, length: shape[axis]! });
      start = plus(start, shape[axis]!);
      return piece;
    });
  },
  onnx: (emit, x, { attributes }) => emit.node('Concat', x, { axis: attributes.axis }),
  reference: (x, { axis }, [out]) => {
    const rows = sizeOf(out!.shape.slice(0, axis));
    const rowOf = (data: Float64Array, row: number): number[] => {
      const width = data.length / rows;
      return [...data.subarray(row * width, (row + 1) * width)];
    };
    const blocks = Array.from({ length: rows }, (_, row) => x.map(({ data }) => rowOf(data, row)));
    return [Float64Array.from(blocks.flat(2))];
  },
  samples: [
    {
      inputs: [
        ['batch', 'seq'],
        ['batch', 2],
      ],
      attributes: { axis: 1 },
    },
    {
      inputs: [
        [2, 3],
        ['seq', 3],
      ],
      attributes: { axis: 0 },
    },
  ],
};

interface Piece {
  readonly start: Dim;
  readonly length: Dim;
}

const sliceRow: Operation<Piece & { axis: number }> = {
  name: 'slice',
  type: ([x], { axis, length }) => ({ dtype: x!.dtype, shape: withDim(x!.shape, axis, length) }),
  gradient: (dy, [x], _, { axis, start, length }) => {
    const rest = minus(minus(x!.shape[axis]!, start), length);
    const pieces = [zeros(withDim(x!.shape, axis, start)), dy, zeros(withDim(x!.shape, axis, rest))];
    return [
      concat(
        pieces.filter((piece) => piece.shape[axis] !== 0),
        axis,
      ),
    ];
  },
  onnx: (emit, [x], { attributes: { axis, start, length } }) =>
    emit.node('Slice', [x!, emit.dim(start), emit.dim(plus(start, length)), emit.ints([axis])]),
  reference: ([x], { axis, start }, [out], sizes) => {
    const first = evaluate(start, sizes);
    const inner = strides(x!.shape);
    const outer = strides(out!.shape);
    const source = (i: number): number =>
      out!.shape.reduce(
        (at, dim, k) => at + inner[k]! * ((Math.floor(i / outer[k]!) % dim) + (k === axis ? first : 0)),
        0,
      );
    return [Float64Array.from({ length: sizeOf(out!.shape) }, (_, i) => x!.data[source(i)]!)];
  },
  samples: [
    { inputs: [['batch', '2+seq']], attributes: { axis: 1, start: 2, length: 'seq' } },
    { inputs: [['batch', 5]], attributes: { axis: 1, start: 1, length: 3 } },
  ],
};

/** Neighbouring pieces along an axis, of these sizes. */
const splitRow: Operation<{ axis: number; sizes: readonly number[] }> = {
  name: 'split',
  everyOutput: true,
  type: ([x], { axis, sizes }) => sizes.map((size) => ({ dtype: x!.dtype, shape: withDim(x!.shape, axis, size) })),
  gradient: (_dy, _x, y, { axis }, dys) => [
    concat(
      y.map(({ shape }, i) => dys[i] ?? zeros(shape)),
      axis,
    ),
  ],
  onnx: (emit, [x], { attributes: { axis, sizes } }) =>
    emit.node('Split', [x!, emit.ints(sizes)], { axis }, { outputs: sizes.length }),
  reference: ([x], { axis, sizes }) => {
    const width = sizeOf(x!.shape.slice(axis));
    const inner = sizeOf(x!.shape.slice(axis + 1));
    let start = 0;
    return sizes.map((size) => {
      const from = start * inner;
      start += size;
      return x!.data.filter((_, i) => i % width >= from && i % width < from + size * inner);
    });
  },
  samples: [
    { inputs: [['batch', 'seq', 6]], attributes: { axis: 2, sizes: [1, 3, 2] } },
    { inputs: [['batch', 4, 'seq']], attributes: { axis: 1, sizes: [3, 1] } },
  ],
};

export const shapeRows = {
  transpose: transposeRow,
  concat: concatRow,
  slice: sliceRow,
  split: splitRow,
};

const fromEnd = (x: Tensor, axis: number): number => (axis < 0 ? axis + x.shape.length : axis);

export const transpose = (x: Tensor, order: readonly number[]): Tensor => apply(transposeRow, [x], { order });
export const concat = (x: readonly Tensor[], axis: number): Tensor =>
  x.length === 1 ? x[0]! : apply(concatRow, x, { axis: fromEnd(x[0]!, axis) });

export function slice(x: Tensor, axis: number, { start, length }: Piece): Tensor {
  const at = fromEnd(x, axis);
  return start === 0 && length === x.shape[at] ? x : apply(sliceRow, [x], { axis: at, start, length });
}

/** Pieces of these sizes, which are all of an axis. */
export const split = (x: Tensor, axis: number, sizes: readonly number[]): readonly Tensor[] =>
  applyAll(splitRow, [x], { axis: fromEnd(x, axis), sizes });

export const zeros = (shape: Shape): Tensor => expand(constant(0), shape);

/** One position along an axis; the axis goes away. */
export const select = (x: Tensor, axis: number, index: number): Tensor =>
  reshape(
    slice(x, axis, { start: index, length: 1 }),
    x.shape.filter((_, i) => i !== axis),
  );
