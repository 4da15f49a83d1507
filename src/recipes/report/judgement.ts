/** What the answers come to: which labels are taken for which, and the mistakes that were made most surely. */
import type { PredictionRow } from './predictions.ts';

export interface Judgement {
  readonly rows: number;
  /** Rows by true label (first index) and predicted label. */
  readonly confusion: readonly (readonly number[])[];
  /** Surest first. */
  readonly worst: readonly PredictionRow[];
}

const WORST = 20;

export function judge(rows: Iterable<PredictionRow>, labels: readonly string[]): Judgement {
  const numberOf = new Map(labels.map((label, i) => [label, i]));
  const confusion = labels.map(() => labels.map(() => 0));
  let worst: PredictionRow[] = [];
  let total = 0;
  for (const row of rows) {
    total += 1;
    confusion[numberOf.get(row.label)!]![numberOf.get(row.prediction)!]! += 1;
    if (!row.correct) worst.push(row);
    if (worst.length >= 10 * WORST) worst = surest(worst);
  }
  return { rows: total, confusion, worst: surest(worst) };
}

const surest = (rows: readonly PredictionRow[]): PredictionRow[] =>
  [...rows].sort((a, b) => b.score - a.score).slice(0, WORST);

export interface Confused {
  readonly truth: string;
  readonly prediction: string;
  readonly rows: number;
  /** Of the rows of the true label. */
  readonly share: number;
}

/** Pairs of labels that are taken for one another, most rows first. */
export function confusedPairs(confusion: Judgement['confusion'], labels: readonly string[], most: number): Confused[] {
  const pairs = confusion.flatMap((row, i) => {
    const total = row.reduce((a, b) => a + b, 0);
    return row.flatMap((rows, k) =>
      i === k || rows === 0 ? [] : [{ truth: labels[i]!, prediction: labels[k]!, rows, share: rows / total }],
    );
  });
  return pairs.sort((a, b) => b.rows - a.rows || b.share - a.share).slice(0, most);
}
