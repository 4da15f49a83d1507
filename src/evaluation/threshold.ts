/** Where the line between two labels is drawn. */

/** How sure a model is of the second label, and whether it is right to be. */
export interface Judged {
  readonly probability: number;
  readonly isPositive: boolean;
}

/**
 * The threshold with the largest F1 of the second label; of several the one closest to 0.5. Candidates are 0.5 and the
 * middles between neighbours: on a row's own probability the next rounding would decide.
 */
export function bestThreshold(rows: readonly Judged[]): number {
  const sorted = [...rows].sort((a, b) => b.probability - a.probability);
  const positives = sorted.filter(({ isPositive }) => isPositive).length;
  let best = { threshold: 0.5, f1: f1At(sorted, 0.5, positives) };
  let hits = 0;
  for (const [index, { probability, isPositive }] of sorted.entries()) {
    if (isPositive) hits += 1;
    const threshold = (probability + (sorted[index + 1]?.probability ?? 0)) / 2;
    // Rows with one probability stay on one side, and some probabilities lie too close for a number between them.
    if (threshold >= probability || threshold <= 0) continue;
    const f1 = f1Of(hits, index + 1, positives);
    const isCloser = Math.abs(threshold - 0.5) < Math.abs(best.threshold - 0.5);
    if (f1 > best.f1 || (f1 === best.f1 && isCloser)) best = { threshold, f1 };
  }
  return best.threshold;
}

function f1At(rows: readonly Judged[], threshold: number, positives: number): number {
  const answered = rows.filter(({ probability }) => probability >= threshold);
  return f1Of(answered.filter(({ isPositive }) => isPositive).length, answered.length, positives);
}

const f1Of = (hits: number, answered: number, positives: number): number =>
  hits === 0 ? 0 : (2 * hits) / (answered + positives);
