/**
 * Whether a step's loss and gradient norm are those of a run that goes well: numbers in, a symptom out.
 * Why these thresholds: docs/decisions/2026-11-23-guards.md.
 */

export interface Observation {
  /** 1 for the first step. */
  readonly step: number;
  readonly loss: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  readonly rows: number;
}

/** What accepted steps looked like. Plain data. */
export interface History {
  /** Of the last accepted steps, the newest at the end. */
  readonly losses: readonly number[];
  readonly norms: readonly number[];
  /** What a loss is measured against: that of the first step, or of answering by chance where that is higher. */
  readonly usualLoss: number | null;
  /** The largest gradient norm of the first steps. */
  readonly usualNorm: number;
}

export interface Symptom {
  readonly kind: 'not_finite' | 'loss_spike' | 'gradient_spike';
  readonly reason: string;
}

/** Steps that a new one is compared with. */
const WINDOW = 50;
/** Steps that must have been accepted before one is compared with them. */
const WARM = 20;
const LARGE_SCORE = 6;
const FEW_ROWS = 16;
/** A window in which nothing varies would make everything a spike. */
const LEAST_DEVIATION = 0.1;

export const emptyHistory: History = { losses: [], norms: [], usualLoss: null, usualNorm: 0 };

/** What is wrong with a step; undefined where nothing is. */
export function symptomOf(history: History, seen: Observation): Symptom | undefined {
  const { loss, gradientNorm } = seen;
  if (!Number.isFinite(loss)) return { kind: 'not_finite', reason: `the loss is ${loss}` };
  if (!Number.isFinite(gradientNorm)) return { kind: 'not_finite', reason: `the gradient norm is ${gradientNorm}` };
  return lossSpike(history, seen) ?? gradientSpike(history, seen);
}

/** The history with one accepted step more. `chance` is the loss of answering by chance, where that is known. */
export function remember(history: History, { loss, gradientNorm }: Observation, chance = 0): History {
  const { losses, norms, usualLoss, usualNorm } = history;
  return {
    losses: [...losses, loss].slice(-WINDOW),
    norms: [...norms, gradientNorm].slice(-WINDOW),
    usualLoss: usualLoss ?? Math.max(loss, chance),
    usualNorm: norms.length < WARM ? Math.max(usualNorm, gradientNorm) : usualNorm,
  };
}

function lossSpike({ losses, usualLoss }: History, { loss, rows }: Observation): Symptom | undefined {
  if (usualLoss === null) return undefined;
  const usual = usualLoss * tail(rows);
  const spike = (times: number, of: string): Symptom => ({
    kind: 'loss_spike',
    reason: `the loss is ${shown(loss)}, ${shown(times)} times ${of}`,
  });
  if (loss > (losses.length < WARM ? 2 : 4) * usual)
    return spike(loss / usualLoss, 'what it was at first or would be by chance');
  if (losses.length < WARM || loss < 2 * usual || loss < 2 * Math.max(...losses)) return undefined;
  if (robustScore(losses, loss) < LARGE_SCORE) return undefined;
  return spike(loss / median(losses), 'that of the last steps');
}

function gradientSpike({ norms, usualNorm }: History, { gradientNorm: norm, rows }: Observation): Symptom | undefined {
  // A model that is sure of its rows has hardly a gradient, until one comes whose label is wrong.
  if (norms.length < WARM || norm < 50 * tail(rows) * usualNorm) return undefined;
  if (norm < 5 * tail(rows) * Math.max(...norms)) return undefined;
  if (robustScore(norms, norm) < LARGE_SCORE) return undefined;
  const times = shown(norm / median(norms));
  return {
    kind: 'gradient_spike',
    reason: `the gradient norm is ${shown(norm)}, ${times} times that of the last steps`,
  };
}

/** A mean over few rows may be as bad as its worst row. */
const tail = (rows: number): number => Math.max(1, FEW_ROWS / rows);

/** Deviations from the median, of logarithms: losses and norms of small batches have long tails. */
export function robustScore(values: readonly number[], value: number): number {
  const logs = values.map(logarithm);
  const middle = median(logs);
  const deviation = 1.4826 * median(logs.map((one) => Math.abs(one - middle)));
  return (logarithm(value) - middle) / Math.max(deviation, LEAST_DEVIATION);
}

/** A loss may be exactly 0. */
const logarithm = (value: number): number => Math.log(Math.max(value, 1e-12));

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

const shown = (value: number): string => String(Number(value.toPrecision(3)));
