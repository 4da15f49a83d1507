/**
 * Attention over segments of keys. The text is one segment; what a method adds is another one before it.
 * Scores are joined, not keys: nothing long is ever copied, and a model without additions builds the plain graph.
 */
// B batch · S queries · T keys · H heads · K heads of keys, each for G = H/K of queries · C head width
import { type Dim, plus, type Tensor, times } from '../../engine/graph/index.ts';
import {
  add,
  attend as attendInParts,
  concat,
  matmul,
  mul,
  reshape,
  slice,
  tanh,
  transpose,
} from '../../engine/ops/index.ts';
import type { Visibility } from './causal.ts';
import type { KeyValueSite, Segment } from './method.ts';
import type { Scope } from './scope.ts';

/** [B, S, H·C] → [B, H, S, C] */
export function splitHeads(x: Tensor, heads: number): Tensor {
  const [batch, length, width] = x.shape as [Dim, Dim, number];
  return transpose(reshape(x, [batch, length, heads, width / heads]), [0, 2, 1, 3]);
}

export interface AttentionInputs {
  /** [B, H, S, C] */
  readonly q: Tensor;
  /** [B, K, T, C] */
  readonly k: Tensor;
  readonly v: Tensor;
  /** Added to the scores: 0 where a key is visible, a large negative number where it is not. */
  readonly bias: Tensor;
  /** The same for keys that a method adds; left out: they are always visible. */
  readonly biasOf?: Visibility['biasOf'];
  readonly window?: Visibility['window'];
  readonly reach?: Visibility['reach'];
  readonly dropoutRate: number;
  /** What scores are multiplied by; left out: 1/√C. */
  readonly scale?: number | undefined;
  /** What scores approach but do not exceed, either way. */
  readonly softcap?: number | undefined;
}

/** cap·tanh(x/cap) */
export const softcapped = (x: Tensor, cap: number | undefined): Tensor =>
  cap === undefined ? x : mul(tanh(mul(x, 1 / cap)), cap);

/** Softmax(q·kᵀ/√C + bias)·v → [B, S, H·C]. Site `keyValue`. */
export function attention(scope: Scope, inputs: AttentionInputs): Tensor {
  const { q, k, v, bias, biasOf, window, ...scoring } = inputs;
  const [batch, heads, length, width] = q.shape as [Dim, number, Dim, number];
  const segments = scope.around<KeyValueSite, Segment[]>(
    (method) => method.keyValue,
    'key',
    { ...scope.site(), key: k, value: v, biasOf, window },
    (key) => [{ key, value: v, bias }],
  );
  const context = attend(scope, q, { segments, ...scoring, group: heads / (k.shape[1] as number) }); // [B, H, S, C]
  return reshape(transpose(context, [0, 2, 1, 3]), [batch, length, times(heads, width)]);
}

interface Visible extends Pick<AttentionInputs, 'dropoutRate' | 'scale' | 'softcap' | 'reach'> {
  readonly segments: readonly Segment[];
  /** G */
  readonly group: number;
}

function attend(scope: Scope, q: Tensor, visible: Visible): Tensor {
  const { segments, dropoutRate, group, softcap, scale = 1 / Math.sqrt(q.shape.at(-1) as number) } = visible;
  const inParts = attendedInParts(scope, q, { ...visible, scale });
  if (inParts) return inParts;
  const { folded, apart } = groups(q, group);
  const scores = segments.map(({ key, bias }) => {
    const product = apart(matmul(folded(q), key, { transB: true, scale }));
    const score = softcapped(product, softcap); // [B, H or K·G, S, T]
    return bias ? add(score, group > 1 ? reshape(bias, bias.shape.toSpliced(1, 0, 1)) : bias) : score;
  });
  const weights = scope.droppedSoftmax(concat(scores, -1), dropoutRate); // [B, H or K·G, S, ΣT]
  let start: Dim = 0;
  const parts = segments.map(({ key, value }) => {
    const length = key.shape.at(-2)!;
    const part = slice(weights, -1, { start, length });
    start = plus(start, length);
    return matmul(folded(part), value); // [B, K, G·S, C]
  });
  return reshape(
    parts.reduce((a, b) => add(a, b)),
    q.shape,
  );
}

/** Texts up to this length are read at once. */
const SHORT = 1024;
const PART = 512;
/** Where a part reads only what stands before it, more parts read less. */
const ORDERED_PART = 128;
const ORDERED_PARTS = 8;

/** Into how many parts attention should cut the queries of texts of up to `longest` tokens. */
export function queryPartsFor(longest: number, { inOrder }: { readonly inOrder: boolean }): number {
  const long = longest > SHORT ? Math.ceil(longest / PART) : 1;
  return inOrder ? Math.max(long, Math.min(ORDERED_PARTS, Math.ceil(longest / ORDERED_PART))) : long;
}

/** Over a part of the queries at a time, where the build asks for it and nothing else happens to weights of keys. */
function attendedInParts(scope: Scope, q: Tensor, visible: Visible & { readonly scale: number }): Tensor | undefined {
  const [{ key: k, value: v, bias }, ...others] = visible.segments as [Segment, ...Segment[]];
  const { queryParts: parts } = scope.build;
  const isPlain = others.length === 0 && visible.softcap === undefined && !scope.drops(visible.dropoutRate);
  if (parts < 2 || !isPlain || bias?.shape[2] !== q.shape[2]) return undefined;
  const { scale, reach } = visible;
  return attendInParts({ q, k, v, bias: bias!, reach }, { parts, scale });
}

/** Heads that share keys are one matrix with them: G·S queries, for which nothing is copied. */
function groups(q: Tensor, group: number) {
  const [batch, heads, length] = q.shape as [Dim, number, Dim];
  return {
    folded: (x: Tensor): Tensor => reshape(x, [batch, heads / group, times(group, length), x.shape.at(-1)!]),
    apart: (x: Tensor): Tensor =>
      group === 1 ? x : reshape(x, [batch, heads / group, group, length, x.shape.at(-1)!]), // [B, K, G, S, T]
  };
}
