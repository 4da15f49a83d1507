/** What a model that reads from left to right may look at. */
// B batch · S queries · T keys
import { constant, type Dim, type Tensor } from '../../engine/graph/index.ts';
import { equal, less, reshape, sub, where } from '../../engine/ops/index.ts';
import { type Batch, HIDDEN } from './batch.ts';

/** Where keys stand in their text, and which text that is: 0 on padding. [B, T] */
interface Keys {
  readonly positions: Tensor;
  readonly texts: Tensor;
}

/** Bias of a batch's own keys: hidden are later ones, those of other texts, and those a window or more before. [B, 1, T, T] */
export function causalBias(batch: Batch, window?: number): Tensor {
  const own: Keys = { positions: batch.positionIds, texts: batch.packing?.segmentIds ?? batch.attentionMask };
  const [rows, length] = own.positions.shape as [Dim, Dim];
  const queries = (x: Tensor): Tensor => reshape(x, [rows, 1, length, 1]);
  const keys = (x: Tensor): Tensor => reshape(x, [rows, 1, 1, length]);
  const [query, key] = [queries(own.positions), keys(own.positions)];
  const later = where(less(query, key), HIDDEN, 0);
  const seen = window === undefined ? later : where(less(sub(query, key), constant(window, 'int32')), later, HIDDEN);
  return where(equal(queries(own.texts), keys(own.texts)), seen, HIDDEN);
}
