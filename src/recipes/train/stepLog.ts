/** Lines of metrics.jsonl: the mean loss since the last line. */
import type { StepOutcome } from '../../training/index.ts';

export interface StepLog {
  /** A line when one is due. */
  add(record: StepOutcome): object | undefined;
}

export function openStepLog({ everySteps, lastStep }: { everySteps: number; lastStep: number }): StepLog {
  let records: StepOutcome[] = [];
  const sum = (value: (record: StepOutcome) => number): number => records.reduce((total, r) => total + value(r), 0);
  return {
    add(record) {
      // What was not learned from is no point of the curves.
      if (!record.incident) records.push(record);
      if (record.step % everySteps !== 0 && record.step !== lastStep) return undefined;
      const last = records.at(-1);
      if (!last) return undefined;
      const line = {
        step: record.step,
        epoch: record.epoch,
        loss: sum(({ loss }) => loss) / records.length,
        learning_rate: last.learningRate,
        grad_norm: last.gradientNorm,
        tokens_per_second: sum(({ tokens }) => tokens) / sum(({ seconds }) => seconds),
      };
      records = [];
      return line;
    },
  };
}
