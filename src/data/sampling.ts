/** The order in which rows are seen, and how many of them make a batch. A function of seed, name and epoch. */
import { permutation, type Stream } from '../engine/random/index.ts';
import { chunks } from './batch.ts';

/** So many rows, or as many as these tokens hold: with the padding of each row to the longest, or packed without. */
export type BatchSize = { readonly rows: number } | { readonly tokens: number; readonly packed?: boolean };

export interface SamplingOptions {
  readonly lengths: readonly number[];
  readonly size: BatchSize;
  /** `group_by_length` puts rows of similar length into one batch; the batches still come in random order. */
  readonly strategy: 'random' | 'group_by_length';
  readonly stream: Stream;
  readonly epoch: number;
}

/** Rows that are sorted by length together: enough to find neighbours, few enough to stay random. */
const BATCHES_PER_GROUP = 50;

/** The row numbers of each batch of an epoch. With a budget of tokens, epochs may differ in their number of batches. */
export function sampleBatches({ lengths, size, strategy, stream, epoch }: SamplingOptions): number[][] {
  const order = permutation(stream, lengths.length, 2 * epoch);
  const cut = (rows: readonly number[]): number[][] =>
    'rows' in size ? chunks(rows, size.rows) : cutByTokens(rows, lengths, size);
  if (strategy === 'random') return cut(order);
  const groups = chunks(order, usualRows(size, lengths) * BATCHES_PER_GROUP);
  const batches = groups.flatMap((group) => cut(longestFirst(group, lengths)));
  return permutation(stream, batches.length, 2 * epoch + 1).map((index) => batches[index]!);
}

function usualRows(size: BatchSize, lengths: readonly number[]): number {
  if ('rows' in size) return size.rows;
  const mean = lengths.reduce((a, b) => a + b, 0) / lengths.length;
  return Math.max(1, Math.floor(size.tokens / mean));
}

export const longestFirst = (rows: readonly number[], lengths: readonly number[]): number[] =>
  rows.toSorted((a, b) => lengths[b]! - lengths[a]!);

interface Budget {
  readonly tokens: number;
  readonly packed?: boolean;
}

/**
 * Cuts a sequence of rows into as few batches as a budget of tokens allows, and of all such cuts takes the one whose
 * largest batch is smallest, so that no small rest is left over. A row beyond the budget stands alone.
 */
export function cutByTokens(rows: readonly number[], lengths: readonly number[], budget: Budget): number[][] {
  const cut = (tokens: number): number[][] => cutGreedily(rows, lengths, { ...budget, tokens });
  const fewest = cut(budget.tokens);
  let tooSmall = 0;
  let enough = { tokens: budget.tokens, batches: fewest };
  while (enough.tokens - tooSmall > 1) {
    const middle = Math.floor((tooSmall + enough.tokens) / 2);
    const batches = cut(middle);
    if (batches.length > fewest.length) tooSmall = middle;
    else enough = { tokens: middle, batches };
  }
  return enough.batches;
}

function cutGreedily(rows: readonly number[], lengths: readonly number[], { tokens, packed }: Budget): number[][] {
  const batches: number[][] = [];
  let longest = 0;
  let sum = 0;
  for (const row of rows) {
    const batch = batches.at(-1);
    const length = lengths[row]!;
    const size = packed ? sum + length : ((batch?.length ?? 0) + 1) * Math.max(longest, length);
    if (batch && size <= tokens) {
      batch.push(row);
      longest = Math.max(longest, length);
      sum += length;
    } else {
      batches.push([row]);
      longest = length;
      sum = length;
    }
  }
  return batches;
}
