/** What a head reads of a model's last layer. What only the other tokens would need there is not computed. */
// B sequences · T tokens · S of them that look at the others · R texts · D hidden
import { constant, type Dim, minus, type Tensor } from '../../engine/graph/index.ts';
import {
  concat,
  expand,
  gather,
  matmul,
  mul,
  reshape,
  rowsOnly,
  slice,
  sub,
  sum,
  toFloat,
  toInt32,
} from '../../engine/ops/index.ts';
import type { Batch } from './batch.ts';

export interface Reading {
  /** The tokens that look at the others. [B, T, D] → [B, S, D] */
  queries(x: Tensor): Tensor;
  /** What is known of them, a whole number each: where they stand, say. [B or 1, T] → [B, S] */
  numbers(x: Tensor): Tensor;
  /** What is read of them, after attention. [B, S, D] → [B, S, D] or [R, D] */
  texts(y: Tensor): Tensor;
}

export const everyToken: Reading = { queries: (x) => x, numbers: (x) => x, texts: (y) => y };

/** The first token of each text. [B, T, D] → [R, D] */
export function firstTokens({ packing }: Batch): Reading {
  const first = (x: Tensor): Tensor => slice(x, 1, { start: 0, length: 1 });
  if (!packing) return { queries: first, numbers: first, texts: rowsOnly };
  return { ...everyToken, texts: (y) => gather(rowsOnly(y), packing.textStarts) };
}

/** The last token of each text, wherever the padding is. [B, T, D] → [R, D] */
export function lastTokens({ packing, attentionMask }: Batch): Reading {
  if (packing) return { ...everyToken, texts: (y) => gather(rowsOnly(y), packing.textEnds) };
  const [batch, length] = attentionMask.shape as [Dim, Dim];
  const isText = toFloat(attentionMask); // [B, T]
  const isFollowed = concat([slice(isText, 1, { start: 1, length: minus(length, 1) }), none(batch)], 1);
  const isLast = mul(isText, sub(1, isFollowed)); // [B, T], one 1 a row
  return {
    queries: (x) => matmul(reshape(isLast, [batch, 1, length]), x),
    numbers: (x) => toInt32(sum(mul(isLast, toFloat(x)), [1])),
    texts: rowsOnly,
  };
}

const none = (batch: Dim): Tensor => expand(constant(0), [batch, 1]);

/** What a layer looks at, and what is read of it. */
export interface Sight {
  readonly reads: Reading;
  /** How many tokens it looks back, itself included; undefined: all. */
  readonly window?: number | undefined;
}

/** Those of a stack of layers, from their windows: all but the last are read whole. */
export const layerSights = (windows: readonly Sight['window'][], reading: Reading): Sight[] =>
  windows.map((window, layer) => ({ window, reads: layer < windows.length - 1 ? everyToken : reading }));
