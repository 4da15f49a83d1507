/** Runs the forward program alone: scores, and the loss where labels are fed. No backward pass is in its graph. */
import type { OpenSession, Values } from '../engine/runtime/index.ts';
import type { Program } from '../models/nn/index.ts';
import type { ClassificationOutputs } from '../tasks/index.ts';
import { type ParameterMemory, parameterValues } from '../training/index.ts';

export interface Scores {
  /** [rows, labels], row by row. */
  readonly logits: Float32Array;
  readonly lossSum: number;
  readonly lossCount: number;
  /** Of a language model: the loss of each token that is learned, row after row. */
  readonly losses?: Float32Array;
}

export interface Scorer extends AsyncDisposable {
  score(feeds: Values): Promise<Scores>;
  /** A few scores of each row, to know the model again by. [rows, any] */
  probe(feeds: Values): Promise<Float32Array>;
}

export interface ScorerOptions {
  /** Read at every run: weights that are being trained are scored as they are now. */
  readonly memory: ParameterMemory;
  readonly open: OpenSession;
  readonly threads: number;
}

export async function openScorer(
  program: Program<ClassificationOutputs>,
  { memory, open, threads }: ScorerOptions,
): Promise<Scorer> {
  const { logits, loss } = program.outputs;
  const session = await open({ logits, loss_sum: loss.sum, loss_count: loss.count }, { threads });
  const weights = parameterValues(program, memory);
  async function score(feeds: Values): Promise<Scores> {
    const result = await session.run({ ...weights, ...feeds });
    const scalar = (name: string): number => Number(result[name]!.data[0]);
    const scores = result.logits!.data as Float32Array;
    return { logits: scores, lossSum: scalar('loss_sum'), lossCount: scalar('loss_count') };
  }
  return {
    score,
    probe: async (feeds) => (await score(feeds)).logits,
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

/** Scores to probabilities that add up to 1. */
export function softmax(logits: ArrayLike<number>): number[] {
  const values = Array.from(logits);
  const highest = Math.max(...values);
  const weights = values.map((value) => Math.exp(value - highest));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / total);
}

export const indexOfLargest = (values: ArrayLike<number>): number => {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
};

/** The label that scores say: the likeliest; with a threshold the second of two where its probability reaches that. */
export function decide(logits: ArrayLike<number>, threshold: number | undefined): number {
  if (threshold === undefined) return indexOfLargest(logits);
  return softmax(logits)[1]! >= threshold ? 1 : 0;
}
