/** How attention over a part of the queries is written, forward and back. */
// B batch · H heads · K heads of keys, each for G = H/K of queries · S queries, s of a part · T keys, t of them read by a
// part · C head width
import type { Dim, Emitter, Node } from '../../graph/index.ts';
import { zeroOnce } from './order.ts';

export interface AttendAttributes {
  /** How many parts the queries are cut into. */
  readonly parts: number;
  /** What scores are multiplied by. */
  readonly scale: number;
}

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

/** The same for all layers. */
function partsOf(emit: Emitter, node: AttendNode, reach: string | undefined): Part[] {
  const [q, k] = node.inputs;
  const key = `${node.attributes.parts} parts of ${q!.shape} over ${k!.shape} within ${reach}`;
  return emit.once(key, () => writeParts(emit, node, reach));
}

/**
 * The parts of the queries, as ONNX Runtime finds them when it knows how many queries there are. One where a part may not
 * be empty: WebGPU has no softmax of nothing.
 */
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
export function partWriter(emit: Emitter, { q, k, bias, reach }: Names, node: AttendNode) {
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
