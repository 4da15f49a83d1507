/** What a model said of rows, kept to be looked at again once the pass is over. */
import { decide, softmax } from '../inference/index.ts';
import { type ClassificationMetrics, classificationReducer, type Metrics } from './metrics.ts';
import { bestThreshold } from './threshold.ts';

export interface Answers {
  readonly numLabels: number;
  /** Number of the true label of each row. */
  readonly truths: readonly number[];
  /** [rows, labels], row by row. */
  readonly logits: Float32Array;
}

export interface Answer {
  readonly label: number;
  /** Of every label, by its number. */
  readonly probabilities: readonly number[];
}

export function answerTo({ numLabels, logits }: Answers, row: number, threshold: number | undefined): Answer {
  const scores = logits.subarray(row * numLabels, (row + 1) * numLabels);
  return { label: decide(scores, threshold), probabilities: softmax(scores) };
}

/** For two labels: where the F1 of the second is largest on these rows. */
export const chooseThreshold = (answers: Answers): number =>
  bestThreshold(
    answers.truths.map((truth, row) => ({
      probability: answerTo(answers, row, undefined).probabilities[1]!,
      isPositive: truth === 1,
    })),
  );

/** The metrics of the same answers with another threshold; the loss does not depend on it. */
export function metricsWith(threshold: number | undefined, answers: Answers, { loss }: Metrics): ClassificationMetrics {
  const reducer = classificationReducer(answers.numLabels);
  answers.truths.forEach((truth, row) => {
    reducer.add(truth, answerTo(answers, row, threshold).label);
  });
  return { ...reducer.metrics(), loss };
}
