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
  type Emitter,
  expectShape,
  type HostArray,
  type Node,
  type Operation,
  type Tensor,
} from '../../graph/index.ts';
import { unseen, zeroOnce } from './order.ts';

export interface AttendAttributes {
  /** How many parts the queries are cut into. */
  readonly parts: number;
  /** What scores are multiplied by. */
  readonly scale: number;
}

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
  onnx: (emit, names, node) => {
    const [q, k, v, bias] = names.slice(0, 4).map((name) => unseen(emit, name, 4));
    const writer = partWriter(emit, { q: q!, k: k!, bias: bias!, reach: names[4] }, node);
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
  onnx: (emit, names, node) => {
    const { scale } = node.attributes;
    const [q, k, v, bias, dy] = names.slice(0, 5).map((name) => unseen(emit, name, 4));
    const writer = partWriter(emit, { q: q!, k: k!, bias: bias!, reach: names[5] }, node);
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

interface Part {
  readonly start: string;
  readonly end: string;
  /** The first key that it reads, where it stops, and how many come after that. */
  readonly first: string;
  readonly last: string;
  readonly unread: string;
  /** False where there are fewer queries than parts. */
  readonly hasQueries: string;
  /** The shapes of its queries: [B, H, s, C], [B, K, G·s, C] */
  readonly plain: string;
  readonly grouped: string;
  /** Those of its scores: [B, K, G, s, t], [B, K, G·s, t] */
  readonly scored: string;
  readonly matrix: string;
}

interface Names {
  readonly q: string;
  readonly k: string;
  readonly bias: string;
  readonly reach: string | undefined;
}

interface Product {
  readonly transA?: boolean;
  readonly transB?: boolean;
  readonly scale?: number;
}

type AttendNode = Node & { attributes: AttendAttributes };

/**
 * The parts of the queries, as ONNX Runtime finds them when it knows how many queries there are. One where a part may not
 * be empty: WebGPU has no softmax of nothing.
 */
function partsOf(emit: Emitter, node: AttendNode, reach: string | undefined): Part[] {
  const [q, k] = node.inputs;
  const key = `${node.attributes.parts} parts of ${q!.shape} over ${k!.shape} within ${reach}`;
  return emit.once(key, () => writeParts(emit, node, reach));
}

function writeParts(emit: Emitter, { inputs, attributes }: AttendNode, reach: string | undefined): Part[] {
  const [batch, heads, length, width] = inputs[0]!.shape as [Dim, number, Dim, number];
  const [, keyHeads, keys] = inputs[1]!.shape as [Dim, number, Dim];
  const group = emit.ints([heads / keyHeads]);
  const one = (type: string, ...names: string[]): string => emit.node(type, names)[0]!;
  const shape = (dims: readonly string[]): string => emit.node('Concat', dims, { axis: 0 })[0]!;
  const count = emit.target === 'cpu' ? attributes.parts : 1;
  const edge = (i: number): string => one('Div', one('Mul', emit.dim(length), emit.ints([i])), emit.ints([count]));
  return Array.from({ length: count }, (_, i): Part => {
    const [start, end] = [edge(i), edge(i + 1)];
    const size = one('Sub', end, start);
    const grouped = one('Mul', size, group);
    const kept = [emit.dim(batch), emit.ints([keyHeads])];
    const { first, last } = reach
      ? { first: firstSeen(emit, start, { reach, length }), last: end }
      : { first: emit.ints([0]), last: emit.dim(keys) };
    const read = one('Sub', last, first);
    return {
      start,
      end,
      first,
      last,
      unread: one('Sub', emit.dim(keys), last),
      hasQueries: one('Less', emit.ints([0]), size),
      plain: shape([emit.dim(batch), emit.ints([heads]), size, emit.ints([width])]),
      grouped: shape([...kept, grouped, emit.ints([width])]),
      scored: shape([...kept, group, size, read]),
      matrix: shape([...kept, grouped, read]),
    };
  });
}

/** The first key that any row's query at a place looks at. */
function firstSeen(emit: Emitter, place: string, { reach, length }: { reach: string; length: Dim }): string {
  const one = (type: string, ...names: string[]): string => emit.node(type, names)[0]!;
  const unit = emit.ints([1]);
  const at = one('Min', place, one('Sub', emit.dim(length), unit)); // a part without queries begins behind the last
  const there = one('Slice', reach, at, one('Add', at, unit), unit); // [B, 1]
  const farthest = emit.node('ReduceMax', [there, emit.ints([0, 1])], { keepdims: 0 })[0]!;
  const back = one('Reshape', emit.cast(farthest, 'int64'), unit);
  return one('Max', emit.ints([0]), one('Sub', at, back));
}

/** How far below its row's largest score a score counts as this far: e⁻⁶⁰ changes no sum. */
const FARTHEST = 60;

/** Writes what both rows do for a part of the queries. */
function partWriter(emit: Emitter, { q, k, bias, reach }: Names, node: AttendNode) {
  const { scale } = node.attributes;
  // One part reads all keys.
  const readsAll = !reach || emit.target !== 'cpu' || node.attributes.parts === 1;
  const reshape = (x: string, shape: string): string => emit.node('Reshape', [x, shape], { allowzero: 1 })[0]!;
  const product = (a: string, b: string, options: Product = {}): string => multiply(emit, a, b, options);
  /** The queries of a part, once `before` is there. */
  const queriesOf = (x: string, { start, end }: Part, before?: string): string =>
    emit.node('Slice', [x, before ? delayed(emit, start, before) : start, end, emit.ints([2])])[0]!;
  const folded = (x: string, part: Part): string => reshape(x, part.grouped);
  const readOf = (x: string, { first, last }: Part, axis: number): string =>
    readsAll ? x : emit.node('Slice', [x, first, last, emit.ints([axis])])[0]!;
  const keysOf = (x: string, part: Part): string => readOf(x, part, 2);
  // Processors take ten times as long for exponentials that are too small for a float.
  const near = (scores: string): string => {
    const largest = emit.node('ReduceMax', [scores, emit.ints([-1])], { keepdims: 1 })[0]!;
    return emit.node('Max', [scores, ...emit.node('Sub', [largest, emit.scalar(FARTHEST, 'float32')])])[0]!;
  };
  return {
    parts: partsOf(emit, node, readsAll ? undefined : reach),
    product,
    queriesOf,
    folded,
    keysOf,
    /** Sums over a part's queries for all keys [B, K, T, C]: 0 for those that it does not read. */
    ofKeys(x: string, { hasQueries, first, unread }: Part): string {
      // ONNX Runtime leaves there what was in memory where the sum has no terms.
      const sums = emit.node('Where', [hasQueries, x, emit.scalar(0, 'float32')])[0]!;
      if (readsAll) return sums;
      const none = emit.ints([0]);
      const pads = emit.node('Concat', [emit.ints([0, 0]), first, emit.ints([0, 0, 0]), unread, none], { axis: 0 });
      return emit.node('Pad', [sums, ...pads])[0]!;
    },
    apart: (x: string, part: Part): string => reshape(x, part.plain),
    /** [B, K, G·s, t] */
    weights(part: Part, before?: string): string {
      const scores = product(folded(queriesOf(q, part, before), part), keysOf(k, part), { transB: true, scale });
      const hidden = emit.node('Unsqueeze', [readOf(queriesOf(bias, part), part, 3), emit.ints([1])]);
      const visible = emit.node('Add', [reshape(scores, part.scored), ...hidden])[0]!;
      return reshape(emit.node('Softmax', [near(visible)], { axis: -1 })[0]!, part.matrix);
    },
  };
}

/** A number that is what it is, but not before x is there. */
const delayed = (emit: Emitter, number: string, x: string): string => emit.node('Add', [number, zeroOnce(emit, x)])[0]!;

/** a·b over the last two of four axes. */
function multiply(emit: Emitter, a: string, b: string, { transA = false, transB = false, scale = 1 }: Product): string {
  if (emit.target === 'cpu') {
    const attributes = { transA: Number(transA), transB: Number(transB), alpha: { float: scale } };
    return emit.node('FusedMatMul', [a, b], attributes, { domain: 'com.microsoft' })[0]!;
  }
  const swapped = (x: string, isSwapped: boolean): string =>
    isSwapped ? emit.node('Transpose', [x], { perm: [0, 1, 3, 2] })[0]! : x;
  const y = emit.node('MatMul', [swapped(a, transA), swapped(b, transB)]);
  return scale === 1 ? y[0]! : emit.node('Mul', [...y, emit.scalar(scale, 'float32')])[0]!;
}

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
