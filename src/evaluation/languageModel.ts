/** A pass over texts: the mean loss of the tokens that are learned, and its exponential. */
import { batchesByLength, collate, type EncodedRow } from '../data/batch.ts';
import { cutByTokens } from '../data/sampling.ts';
import type { Scorer } from '../inference/index.ts';
import type { Metrics } from './metrics.ts';

export interface LanguageEvaluation {
  readonly scorer: Scorer;
  readonly padTokenId: number;
  readonly batchSize: number;
  /** Tokens that are computed at once, padding counted: the scores of all words for each would fill the memory. */
  readonly tokensAtOnce: number;
  readonly signal?: AbortSignal;
}

/** Every token counts the same, whatever the length of its row. */
export async function evaluateLanguageModel(
  rows: readonly EncodedRow[],
  { scorer, padTokenId, batchSize, tokensAtOnce, signal }: LanguageEvaluation,
): Promise<Metrics> {
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  const total = { sum: 0, count: 0 };
  for (const batch of batchesByLength(lengths, batchSize)) {
    for (const part of cutByTokens(batch, lengths, { tokens: tokensAtOnce })) {
      signal?.throwIfAborted();
      const { feeds } = collate(
        part.map((row) => rows[row]!),
        padTokenId,
      );
      const { lossSum, lossCount } = await scorer.score(feeds);
      total.sum += lossSum;
      total.count += lossCount;
    }
  }
  const loss = total.sum / total.count;
  return { loss, perplexity: Math.exp(loss) };
}
