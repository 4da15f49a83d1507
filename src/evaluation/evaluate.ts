/** A pass over labelled rows: metrics as they come, and what the model said of each row for whoever asks. */
import { batchesByLength, collate, type EncodedRow } from '../data/batch.ts';
import type { Values } from '../engine/runtime/index.ts';
import { decide, type Scorer } from '../inference/index.ts';
import { type ClassificationMetrics, type ClassificationReducer, classificationReducer } from './metrics.ts';

export interface EvaluationOptions {
  readonly scorer: Scorer;
  readonly padTokenId: number;
  readonly numLabels: number;
  readonly batchSize: number;
  /** Of two labels the second is answered where its probability reaches this. */
  readonly threshold?: number | undefined;
  readonly signal?: AbortSignal;
  /** What the scorer reads of some rows; left out: the rows themselves as a batch. */
  readonly feedsOf?: ((batch: readonly number[]) => Promise<Values>) | undefined;
  /** Told the scores of every row, in no particular order. */
  readonly onScores?: (row: number, logits: Float32Array) => void;
}

export interface Evaluation {
  readonly metrics: ClassificationMetrics;
  readonly confusion: ClassificationReducer['confusion'];
  readonly examples: number;
}

export async function evaluateClassifier(rows: readonly EncodedRow[], options: EvaluationOptions): Promise<Evaluation> {
  const { scorer, numLabels, batchSize, threshold, signal, onScores } = options;
  const feedsOf = options.feedsOf ?? collated(rows, options.padTokenId);
  const reducer = classificationReducer(numLabels);
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  for (const batch of batchesByLength(lengths, batchSize)) {
    signal?.throwIfAborted();
    const { logits, lossSum, lossCount } = await scorer.score(await feedsOf(batch));
    reducer.addLoss(lossSum, lossCount);
    batch.forEach((row, i) => {
      const scores = logits.subarray(i * numLabels, (i + 1) * numLabels);
      reducer.add(rows[row]!.label, decide(scores, threshold));
      onScores?.(row, scores);
    });
  }
  return { metrics: reducer.metrics(), confusion: reducer.confusion, examples: rows.length };
}

const collated = (rows: readonly EncodedRow[], padTokenId: number) => async (batch: readonly number[]) => {
  const members = batch.map((index) => rows[index]!);
  return collate(members, padTokenId).feeds;
};
