/** Lines of metrics.jsonl: the mean loss since the last line. */
import type { StepOutcome } from '../../training/index.ts';

/** What the next line needs of a step. */
export type Unlogged = Pick<StepOutcome, 'loss' | 'penalty' | 'learningRate' | 'gradientNorm' | 'tokens' | 'seconds'>;

export interface LogPlan {
  readonly everySteps: number;
  readonly lastStep: number;
}

/** Adds a step to those since the last line; a line, and none of them left, when one is due. */
export function lineAfter(outcome: StepOutcome, unlogged: Unlogged[], { everySteps, lastStep }: LogPlan) {
  const { step, epoch, loss, penalty, learningRate, gradientNorm, tokens, seconds } = outcome;
  const added = penalty === undefined ? {} : { penalty };
  // What was not learned from is no point of the curves.
  if (!outcome.incident) unlogged.push({ loss, ...added, learningRate, gradientNorm, tokens, seconds });
  if (step % everySteps !== 0 && step !== lastStep) return undefined;
  const records = unlogged.splice(0);
  const last = records.at(-1);
  if (!last) return undefined;
  const sum = (value: (one: Unlogged) => number): number => records.reduce((total, one) => total + value(one), 0);
  return {
    step,
    epoch,
    loss: sum((one) => one.loss) / records.length,
    ...(last.penalty !== undefined && { penalty: sum((one) => one.penalty ?? 0) / records.length }),
    learning_rate: last.learningRate,
    grad_norm: last.gradientNorm,
    tokens_per_second: sum((one) => one.tokens) / sum((one) => one.seconds),
  };
}
