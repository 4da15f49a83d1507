/** How far a merged model answers from what it was made of, and how far it may. */
import { AttuneError } from '../../errors/index.ts';
import type { Metrics } from '../../evaluation/index.ts';
import type { BasePrecision } from '../../models/nn/index.ts';

/** What an addition is folded into: the weights as it met them while it was trained, or those of the base's file. */
export const mergeBases = ['dequantised', 'original'] as const;
export type MergeBase = (typeof mergeBases)[number];

export interface Drift {
  /** The largest difference of a score. */
  readonly maxLogitDifference: number;
  /** The largest score itself, or 1. */
  readonly largestLogit: number;
  /** Of classifiers: rows of data that are given another label. */
  readonly changedAnswers?: number;
  /** Nothing was folded in or rounded: the weights are the target's own, and there is nothing to compare. */
  readonly isCertain?: boolean;
  /** Rows of data that it was measured on; undefined: the fixed rows of token ids that adapters are known by. */
  readonly rows?: number;
  readonly metrics?: { readonly before: Metrics; readonly after: Metrics };
}

export const noDrift: Drift = { maxLogitDifference: 0, largestLogit: 1, isCertain: true };

/** Scores before and after, in one order. */
export function driftOf(before: ArrayLike<number>, after: ArrayLike<number>): Drift {
  let [difference, largest] = [0, 1];
  for (let i = 0; i < before.length; i++) {
    const one = Math.abs(before[i]! - after[i]!);
    // What is not a number is no small difference, and stays what it is.
    if (Number.isNaN(one)) return { maxLogitDifference: one, largestLogit: largest };
    difference = Math.max(difference, one);
    largest = Math.max(largest, Math.abs(before[i]!));
  }
  return { maxLogitDifference: difference, largestLogit: largest };
}

export interface Limit {
  readonly base: MergeBase;
  /** How the base was kept when the scores before were computed. */
  readonly precision: BasePrecision;
  /** As a share of the largest score, whatever becomes of the answers; left out: what rounding explains of both. */
  readonly maxDrift?: number | undefined;
  readonly where: string;
}

/** Sums in another order. */
const REORDERED = 1e-4;
/** Rounding that goes, or other weights: up to 0.53 where the merged model was as good (docs/log.md). */
const ROUNDED = 1;

/** In 8 bits the products themselves are rounded; in 4 the weights alone, and these can be kept. */
const isExact = ({ base, precision }: Limit): boolean =>
  precision === 'fp32' || (precision === 'int4' && base === 'dequantised');

const limitOf = (limit: Limit): number => limit.maxDrift ?? (isExact(limit) ? REORDERED : ROUNDED);

/** Healthy merges gave up to 3.3 % of rows another label (docs/log.md); of a few rows two are chance. */
const [CHANGED, CHANCE] = [0.05, 2];

const mayChange = (rows: number): number => Math.max(CHANCE, Math.floor(CHANGED * rows));

/** Throws where the scores differ by more than the limit allows, or the answers of more rows. */
export function refuseDrift(drift: Drift, limit: Limit): void {
  refuseScores(drift, limit);
  refuseAnswers(drift, limit);
}

function refuseAnswers(drift: Drift, limit: Limit): void {
  const { changedAnswers = 0, rows = 0 } = drift;
  if (limit.maxDrift !== undefined || changedAnswers <= mayChange(rows)) return;
  const share = drift.maxLogitDifference / drift.largestLogit;
  throw new AttuneError({
    code: 'MERGE_DRIFT',
    where: limit.where,
    problem: `merged, it answers ${changedAnswers} of ${rows} rows otherwise; ${mayChange(rows)} are allowed${changed(drift)}`,
    fix: `${fixOf(limit, 0)}, which then decides alone: these scores moved by ${share.toPrecision(2)}`,
  });
}

function refuseScores(drift: Drift, limit: Limit): void {
  const { maxLogitDifference: difference, largestLogit: largest, rows } = drift;
  const most = limitOf(limit);
  if (difference <= most * largest) return;
  const share = (difference / largest).toPrecision(2);
  const on = rows === undefined ? 'fixed probe rows' : `${rows} rows`;
  throw new AttuneError({
    code: 'MERGE_DRIFT',
    where: limit.where,
    problem: `merged, its scores of ${on} differ by up to ${difference.toPrecision(2)}, ${share} of the largest; ${most} is allowed${changed(drift)}`,
    fix: fixOf(limit, Number(share)),
  });
}

function fixOf(limit: Limit, share: number): string {
  if (limit.base === 'original' && limit.precision !== 'fp32') {
    return 'merge into the weights that it was trained over: --base dequantised; or allow more with --max-drift';
  }
  if (limit.maxDrift !== undefined || share < 1) return 'use the adapter unmerged, or allow more with --max-drift';
  return 'use the adapter unmerged; additions this much larger than the weights do not fit into them';
}

function changed({ metrics }: Drift): string {
  const [name, before] = Object.entries(metrics?.before ?? {})[0] ?? [];
  return name === undefined
    ? ''
    : ` (${name} ${shown(before)}, merged ${shown(metrics!.after[name as keyof Metrics])})`;
}

const shown = (value: number | undefined): string => value?.toFixed(4) ?? '–';
