/** Lines of metrics.jsonl: the mean loss since the last line. */
import type { StepRecord } from '../../training/index.ts';

export interface StepLog {
  /** A line when one is due. */
  add(record: StepRecord): object | undefined;
}

export function openStepLog({ everySteps, lastStep }: { everySteps: number; lastStep: number }): StepLog {
  let records: StepRecord[] = [];
  const sum = (value: (record: StepRecord) => number): number => records.reduce((total, r) => total + value(r), 0);
  return {
    add(record) {
      records.push(record);
      if (record.step % everySteps !== 0 && record.step !== lastStep) return undefined;
      const line = {
        step: record.step,
        epoch: record.epoch,
        loss: sum(({ loss }) => loss) / records.length,
        learning_rate: record.learningRate,
        grad_norm: record.gradientNorm,
        tokens_per_second: sum(({ tokens }) => tokens) / sum(({ seconds }) => seconds),
      };
      records = [];
      return line;
    },
  };
}
