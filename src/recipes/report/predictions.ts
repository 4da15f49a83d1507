/** What the finished model answered to each row, beside what is true. */
import type { ClassificationExample } from '../../data/index.ts';
import { type Answers, answerTo } from '../../evaluation/index.ts';

export interface PredictionRow {
  readonly where: string;
  readonly text: string;
  readonly pair?: string;
  /** What is true. */
  readonly label: string;
  readonly prediction: string;
  /** Probability of the prediction. */
  readonly score: number;
  /** Probability of every label. */
  readonly scores: Readonly<Record<string, number>>;
  readonly correct: boolean;
}

export interface AnsweredSplit {
  readonly examples: readonly ClassificationExample[];
  readonly answers: Answers;
  readonly labels: readonly string[];
  readonly threshold: number | undefined;
}

/** In the order of the files. Made one by one: the probabilities of all labels of all rows would fill the memory. */
export function* predictionRows({ examples, answers, labels, threshold }: AnsweredSplit): Generator<PredictionRow> {
  for (const [row, { where, text, pair }] of examples.entries()) {
    const { label, probabilities } = answerTo(answers, row, threshold);
    const truth = answers.truths[row]!;
    const scores = probabilities.map(asFloat32);
    yield {
      where,
      text,
      ...(pair !== undefined && { pair }),
      label: labels[truth]!,
      prediction: labels[label]!,
      score: scores[label]!,
      scores: Object.fromEntries(labels.map((name, i) => [name, scores[i]!])),
      correct: label === truth,
    };
  }
}

/** As many digits as a float32 score bears. */
const asFloat32 = (value: number): number => Number(value.toPrecision(7));

const ROWS_AT_ONCE = 1000;

/** predictions.jsonl in pieces. */
export function* predictionLines(split: AnsweredSplit): Generator<string> {
  let lines: string[] = [];
  for (const row of predictionRows(split)) {
    lines.push(`${JSON.stringify(row)}\n`);
    if (lines.length < ROWS_AT_ONCE) continue;
    yield lines.join('');
    lines = [];
  }
  yield lines.join('');
}
