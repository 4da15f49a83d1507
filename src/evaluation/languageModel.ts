/** A pass over texts: the mean loss of the tokens that are learned, its exponential, and the mean loss of each row. */
import { batchesByLength, collate, type EncodedRow } from '../data/batch.ts';
import { cutByTokens } from '../data/sampling.ts';
import { labelCount } from '../data/text/tokenRow.ts';
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

export interface LanguageFigures {
  /** Every token counts the same, whatever the length of its row. */
  readonly metrics: Metrics;
  /** Mean loss of each row's learned tokens. */
  readonly rowLosses: Float32Array;
}

export async function evaluateLanguageModel(
  rows: readonly EncodedRow[],
  { scorer, padTokenId, batchSize, tokensAtOnce, signal }: LanguageEvaluation,
): Promise<LanguageFigures> {
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  const total = { sum: 0, count: 0 };
  const rowLosses = new Float32Array(rows.length);
  for (const batch of batchesByLength(lengths, batchSize)) {
    for (const part of cutByTokens(batch, lengths, { tokens: tokensAtOnce })) {
      signal?.throwIfAborted();
      const members = part.map((row) => rows[row]!);
      const { lossSum, lossCount, losses } = await scorer.score(collate(members, padTokenId).feeds);
      total.sum += lossSum;
      total.count += lossCount;
      let from = 0;
      for (const row of part) {
        const learned = labelCount(rows[row]!);
        rowLosses[row] = sumOf(losses!.subarray(from, from + learned)) / learned;
        from += learned;
      }
    }
  }
  const loss = total.sum / total.count;
  return { metrics: { loss, perplexity: Math.exp(loss) }, rowLosses };
}

const sumOf = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0);
