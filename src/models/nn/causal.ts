/** What a model that reads from left to right may look at. */
// B batch · S queries · T keys
import { constant, type Dim, type Tensor } from '../../engine/graph/index.ts';
import { equal, less, reshape, sub, where } from '../../engine/ops/index.ts';
import { type Batch, HIDDEN } from './batch.ts';
import type { Sight } from './reading.ts';

/** Where keys stand in their text, and which text that is: 0 on padding. [B, T] */
export interface Keys {
  readonly positions: Tensor;
  /** Left out: they belong to every text. */
  readonly texts?: Tensor;
}

/** What is added to the scores of queries: 0 where a key is visible, a large negative number where it is not. */
export interface Visibility {
  /** Of the text's own keys. [B, 1, S, T] */
  readonly bias: Tensor;
  /** Of keys that stand before it, such as a cache's. [B, 1, S, P] */
  readonly biasOf: (keys: Keys) => Tensor;
  /** How many tokens a query looks back, itself included; undefined: all. */
  readonly window: number | undefined;
  /** Where every token asks: of the text's own keys those up to its own are visible, and of these at most so many. [B, S] */
  readonly reach?: Tensor;
}

/** Hidden are later keys, those of other texts, and those that a window ends before; layers of one window share a bias. */
export function causal(batch: Batch): (sight: Sight) => Visibility {
  const own: Required<Keys> = { positions: batch.positionIds, texts: batch.packing?.segmentIds ?? batch.attentionMask };
  const known = new Map<number | undefined, Visibility>();
  return ({ window, reads }) => {
    const queries: Required<Keys> = { positions: reads.numbers(own.positions), texts: reads.numbers(own.texts) };
    const asksWhole = queries.positions === own.positions;
    const shared = asksWhole ? known.get(window) : undefined;
    if (shared) return shared;
    const biasOf = (keys: Keys): Tensor => causalBias(queries, keys, window);
    const visibility = {
      bias: biasOf(own),
      biasOf,
      window,
      ...(asksWhole && { reach: reachOf(own.positions, window) }),
    };
    if (asksWhole) known.set(window, visibility);
    return visibility;
  };
}

/** A text's tokens stand one after the other, so that its first is as far away as the position says. */
function reachOf(positions: Tensor, window: number | undefined): Tensor {
  if (window === undefined) return positions;
  return where(less(positions, constant(window, 'int32')), positions, constant(window - 1, 'int32'));
}

function causalBias(own: Required<Keys>, others: Keys, window: number | undefined): Tensor {
  const asQueries = (x: Tensor): Tensor => reshape(x, [x.shape[0] as Dim, 1, x.shape[1] as Dim, 1]);
  const asKeys = (x: Tensor): Tensor => reshape(x, [x.shape[0] as Dim, 1, 1, x.shape[1] as Dim]);
  const [query, key] = [asQueries(own.positions), asKeys(others.positions)];
  const later = where(less(query, key), HIDDEN, 0);
  const seen = window === undefined ? later : where(less(sub(query, key), constant(window, 'int32')), later, HIDDEN);
  return others.texts ? where(equal(asQueries(own.texts), asKeys(others.texts)), seen, HIDDEN) : seen;
}
