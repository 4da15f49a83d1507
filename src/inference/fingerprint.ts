/** What a model answers to fixed rows of token ids: saved with it, and asked again when it is opened. */
import { chunks, collate } from '../data/batch.ts';
import type { ModelDescription } from '../models/index.ts';
import type { Scorer } from './scorer.ts';

const ROWS = 2;
const TOKENS = 8;
/** Larger than what another processor or number of threads changes, smaller than any real change of weights. */
const TOLERANCE = 1e-3;

/** Scores of the probe rows. */
export async function fingerprintOf(scorer: Pick<Scorer, 'probe'>, { config }: ModelDescription): Promise<number[][]> {
  const rows = Array.from({ length: ROWS }, (_, row) => ({
    inputIds: Array.from({ length: TOKENS - row }, (__, at) => ((row + 1) * 7919 + at * 104_729) % config.vocab_size),
    label: -100,
  }));
  const logits = await scorer.probe(collate(rows, 0).feeds);
  return chunks(Array.from(logits), logits.length / ROWS);
}

export const sameFingerprint = (found: readonly number[][], saved: readonly number[][]): boolean =>
  found.length === saved.length &&
  found.every((row, i) =>
    row.every((value, k) => Math.abs(value - saved[i]![k]!) <= TOLERANCE * Math.max(1, Math.abs(value))),
  );
