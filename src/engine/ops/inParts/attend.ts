/**
 * Attention for long texts: some queries at a time, and the weights of keys are computed again for the gradient, so
 * that no matrix of all queries and all keys is ever held (https://arxiv.org/abs/2112.05682).
 */
// B batch · H heads · K heads of keys, each for G = H/K of queries · S queries, s of a part · T keys, t of them read by a
// part · C head width
import {
  apply,
  applyAll,
  type Dim,
  expectShape,
  type HostArray,
  type Operation,
  type Tensor,
} from '../../graph/index.ts';
import { type AttendAttributes, partWriter } from './queryParts.ts';

const samples = [
  { shapes: { q: ['batch', 4, 'seq', 2], k: ['batch', 2, 'seq', 2], bias: ['batch', 1, 'seq', 'seq'] }, parts: 2 },
  { shapes: { q: ['batch', 2, 5, 2], k: ['batch', 2, 3, 2], bias: ['batch', 1, 5, 3] }, parts: 3 },
  { shapes: { q: ['batch', 2, 2, 2], k: ['batch', 1, 3, 2], bias: [1, 1, 2, 3] }, parts: 4 },
  {
    shapes: { q: ['batch', 4, 'seq', 2], k: ['batch', 2, 'seq', 2], bias: inOrder('batch', 1, 'seq', 'seq') },
    reach: { shape: ['batch', 'seq'], from: 9, below: 10, dtype: 'int32' },
    parts: 2,
  },
  {
    shapes: { q: ['batch', 2, 2, 2], k: ['batch', 2, 2, 2], bias: inOrder(1, 1, 2, 2) },
    reach: { shape: ['batch', 2], from: 1, below: 4, dtype: 'int32' },
    parts: 3,
  },
] as const;

function inOrder(...shape: Dim[]) {
  return { shape, inOrder: true } as const;
}

/**
 * softmax(scale·q·kᵀ + bias)·v for q [B, H, S, C], k and v [B, K, T, C], bias [B, 1, S, T] → [B, H, S, C].
 * With reach [B, S] the bias hides all keys of a query s but those from s − reach to s, whose first never lies before that
 * of the query before it: what a part cannot see it does not look at.
 */
const attendRow: Operation<AttendAttributes> = {
  name: 'attend',
  costly: true,
  type: ([q, k, v, bias]) => {
    expectShape('values of attend', v!.shape, k!.shape);
    expectShape('bias of attend', bias!.shape.slice(2), [q!.shape[2]!, k!.shape[2]!]);
    return { dtype: 'float32', shape: q!.shape };
  },
  // The bias hides keys; it is nobody's parameter.
  gradient: (dy, [q, k, v, bias, ...reach], _, attributes) =>
    applyAll(attendGradientRow, [q!, k!, v!, bias!, dy, ...reach], attributes).slice(0, 3),
  onnx: (emit, [q, k, v, bias, reach], node) => {
    const writer = partWriter(emit, { q: q!, k: k!, bias: bias!, reach }, node);
    const parts = writer.parts.map((part) => {
      const read = writer.product(writer.weights(part), writer.keysOf(v!, part));
      return writer.apart(read, part);
    });
    return emit.node('Concat', parts, { axis: 2 });
  },
  reference: ([q, k, v, bias], { scale }) => {
    const sums = new Float64Array(q!.data.length);
    eachPair({ q: q!, k: k!, bias: bias!, scale }, ({ weight, query, key, width }) => {
      for (let c = 0; c < width; c++) sums[query + c]! += weight * v!.data[key + c]!;
    });
    return [sums];
  },
  samples: samples.map(({ shapes: { q, k, bias }, parts, ...rest }) => ({
    inputs: [q, k, k, bias, ...Object.values(rest)],
    attributes: { parts, scale: 0.7 },
  })),
};

/** The gradients of q, k and v. Weights p of keys: dv = pᵀ·dy, ds = p·(dy·vᵀ − Σ p·dy·vᵀ), dq = ds·k, dk = dsᵀ·q. */
const attendGradientRow: Operation<AttendAttributes> = {
  name: 'attendGradient',
  costly: true,
  type: ([q, k, v]) => [q!, k!, v!].map(({ dtype, shape }) => ({ dtype, shape })),
  gradient: () => [],
  onnx: (emit, [q, k, v, bias, dy, reach], node) => {
    const { scale } = node.attributes;
    const writer = partWriter(emit, { q: q!, k: k!, bias: bias!, reach }, node);
    const { product } = writer;
    const add = (a: string | undefined, b: string): string => (a ? emit.node('Add', [a, b])[0]! : b);
    let [dk, dv]: (string | undefined)[] = [];
    const dq = writer.parts.map((part) => {
      // Not before the last part is done: else all parts would be under way together.
      const folded = writer.folded(writer.queriesOf(dy!, part, dk), part);
      const p = writer.weights(part, dv);
      const dp = product(folded, writer.keysOf(v!, part), { transB: true });
      const weighted = emit.node('Mul', [dp, p])[0]!;
      const along = emit.node('ReduceSum', [weighted, emit.ints([-1])], { keepdims: 1 });
      const ds = emit.node('Sub', [weighted, ...emit.node('Mul', [p, ...along])])[0]!;
      const own = writer.folded(writer.queriesOf(q!, part), part);
      dv = add(dv, writer.ofKeys(product(p, folded, { transA: true }), part));
      dk = add(dk, writer.ofKeys(product(ds, own, { transA: true, scale }), part));
      return writer.apart(product(ds, writer.keysOf(k!, part), { scale }), part);
    });
    return [...emit.node('Concat', dq, { axis: 2 }), dk!, dv!];
  },
  reference: ([q, k, v, bias, dy], { scale }) => {
    const [dq, dk, dv] = [q!, k!, v!].map(({ data }) => new Float64Array(data.length));
    const given = { q: q!, k: k!, bias: bias!, scale };
    const rows = new Float64Array(q!.data.length);
    const slope = (query: number, key: number, width: number): number => {
      let sum = 0;
      for (let c = 0; c < width; c++) sum += dy!.data[query + c]! * v!.data[key + c]!;
      return sum;
    };
    eachPair(given, ({ weight, query, key, width }) => {
      rows[query]! += weight * slope(query, key, width);
    });
    eachPair(given, ({ weight, query, key, width }) => {
      const ds = weight * (slope(query, key, width) - rows[query]!) * scale;
      for (let c = 0; c < width; c++) {
        dq![query + c]! += ds * k!.data[key + c]!;
        dk![key + c]! += ds * q!.data[query + c]!;
        dv![key + c]! += weight * dy!.data[query + c]!;
      }
    });
    return [dq!, dk!, dv!];
  },
  samples: samples.map(({ shapes: { q, k, bias }, parts, ...rest }) => ({
    inputs: [q, k, k, bias, q, ...Object.values(rest)],
    attributes: { parts, scale: 0.7 },
  })),
};

interface Pair {
  /** Share of the key in what the query reads. */
  readonly weight: number;
  /** Where the vectors of both begin. */
  readonly query: number;
  readonly key: number;
  readonly width: number;
}

type Given = { q: HostArray; k: HostArray; bias: HostArray; scale: number };

/** Every query with every key that its head reads. */
function eachPair({ q, k, bias, scale }: Given, visit: (pair: Pair) => void): void {
  const [batch, heads, length, width] = q.shape as [number, number, number, number];
  const [, keyHeads, keys] = k.shape as [number, number, number];
  for (let row = 0; row < batch * heads * length; row++) {
    const [b, head, at] = [Math.floor(row / (heads * length)), Math.floor(row / length) % heads, row % length];
    const first = (b * keyHeads + Math.floor((head * keyHeads) / heads)) * keys;
    const hidden = (bias.shape[0] === 1 ? at : b * length + at) * keys;
    const scores = Array.from({ length: keys }, (_, t) => {
      let score = 0;
      for (let c = 0; c < width; c++) score += q.data[row * width + c]! * k.data[(first + t) * width + c]!;
      return Math.exp(score * scale + bias.data[hidden + t]!);
    });
    const total = scores.reduce((a, c) => a + c, 0);
    scores.forEach((score, t) => {
      visit({ weight: score / total, query: row * width, key: (first + t) * width, width });
    });
  }
}

export const attendRows = { attend: attendRow, attendGradient: attendGradientRow };

interface AttendInputs {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
  readonly bias: Tensor;
  /** How many keys before its own place a query sees at most, where the bias hides all others. [B, S] */
  readonly reach?: Tensor | undefined;
}

export const attend = ({ q, k, v, bias, reach }: AttendInputs, attributes: AttendAttributes): Tensor =>
  apply(attendRow, reach ? [q, k, v, bias, reach] : [q, k, v, bias], attributes);
