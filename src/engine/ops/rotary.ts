/** Rotary positions (https://arxiv.org/abs/2104.09864). */
import {
  apply,
  type Dim,
  type Emitter,
  type Operation,
  offsets,
  type Shape,
  type Tensor,
  times,
} from '../graph/index.ts';
import { neg } from './elementwise.ts';

/** Pairs (i, i + C/2) of x [..., C], each turned by an angle; x broadcasts over its cosine and sine [..., C/2]. */
const rotateRow: Operation = {
  name: 'rotate',
  type: ([x]) => ({ dtype: x!.dtype, shape: x!.shape }),
  // Turned back. Angles come from positions, which nobody trains.
  gradient: (dy, [, cosine, sine]) => [rotate(dy, { cosine: cosine!, sine: neg(sine!) })],
  onnx: (emit, [x, cosine, sine], { inputs }) => {
    if (emit.target === 'cpu' && isByToken(inputs)) return turned(emit, [x!, cosine!, sine!], inputs[0]!.shape);
    const [first, second] = emit.node('Split', [x!], { axis: -1, num_outputs: 2 }, { outputs: 2 }) as [string, string];
    const product = (a: string, b: string): string => emit.node('Mul', [a, b])[0]!;
    const left = emit.node('Sub', [product(first, cosine!), product(second, sine!)]);
    const right = emit.node('Add', [product(second, cosine!), product(first, sine!)]);
    return emit.node('Concat', [...left, ...right], { axis: -1 });
  },
  reference: ([x, cosine, sine]) => {
    const width = x!.shape.at(-1)!;
    const half = width / 2;
    const at = offsets(cosine!.shape, [...x!.shape.slice(0, -1), half]);
    return [
      x!.data.map((value, i) => {
        const [row, place] = [Math.floor(i / width), i % width];
        const angle = at[row * half + (place % half)]!;
        const other = x!.data[place < half ? i + half : i - half]!;
        return value * cosine!.data[angle]! + (place < half ? -1 : 1) * other * sine!.data[angle]!;
      }),
    ];
  },
  samples: [
    {
      inputs: [
        ['batch', 2, 'seq', 4],
        ['batch', 1, 'seq', 2],
        ['batch', 1, 'seq', 2],
      ],
    },
  ],
};

/** Heads [B, H, T, C] over angles of each token [B, 1, T, C/2]. */
const isByToken = ([x, cosine]: readonly Tensor[]): boolean =>
  x!.shape.length === 4 && cosine!.shape[0] === x!.shape[0] && cosine!.shape[1] === 1;

/** In one pass of ONNX Runtime: it looks angles up by positions, here by the number of the token among all of them. */
function turned(emit: Emitter, [x, cosine, sine]: [string, string, string], shape: Shape): string[] {
  const [batch, , length, width] = shape as [Dim, Dim, Dim, number];
  const scalar = (name: string): string => emit.node('Squeeze', [name])[0]!;
  const [none, one] = [scalar(emit.ints([0])), scalar(emit.ints([1]))];
  const numbers = emit.node('Range', [none, scalar(emit.dim(times(batch, length))), one]);
  const places = emit.node('Reshape', [...numbers, emit.shape([batch, length])]);
  const byNumber = (angles: string): string => emit.node('Reshape', [angles, emit.ints([-1, width / 2])])[0]!;
  return emit.node(
    'RotaryEmbedding',
    [x, ...places, byNumber(cosine), byNumber(sine)],
    {},
    { domain: 'com.microsoft' },
  );
}

export const rotaryRows = { rotate: rotateRow };

export interface Angles {
  readonly cosine: Tensor;
  readonly sine: Tensor;
}

export const rotate = (x: Tensor, { cosine, sine }: Angles): Tensor =>
  apply<void>(rotateRow, [x, cosine, sine], undefined);
