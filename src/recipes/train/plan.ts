/** How many steps a run takes, and which rows each step sees. */
import { chunks, collate, type EncodedRow, sampleBatches } from '../../data/batch.ts';
import { stream } from '../../engine/random/index.ts';
import type { Schedule, StepBatches } from '../../training/index.ts';
import type { Recipe } from '../schema/index.ts';

export interface StepPlan {
  readonly stepsPerEpoch: number;
  readonly totalSteps: number;
  readonly epochs: number;
}

export function planSteps({ training }: Recipe, rows: number): StepPlan {
  const batches = Math.ceil(rows / training.per_device_train_batch_size);
  const stepsPerEpoch = Math.ceil(batches / training.gradient_accumulation_steps);
  const { max_steps: maxSteps, num_train_epochs: epochs } = training;
  const totalSteps = maxSteps > 0 ? maxSteps : Math.ceil(epochs * stepsPerEpoch);
  return { stepsPerEpoch, totalSteps, epochs: totalSteps / stepsPerEpoch };
}

export const scheduleOf = ({ training }: Recipe, { totalSteps }: StepPlan): Schedule => ({
  name: training.lr_scheduler_type,
  learningRate: training.learning_rate,
  warmupSteps: training.warmup_steps || Math.ceil(training.warmup_ratio * totalSteps),
  totalSteps,
});

/** The batches of every step, epoch after epoch, made when they are asked for. */
export function* stepBatches(
  rows: readonly EncodedRow[],
  { recipe, plan, padTokenId }: { recipe: Recipe; plan: StepPlan; padTokenId: number },
): Generator<StepBatches> {
  const { training } = recipe;
  const sampling = {
    lengths: rows.map(({ inputIds }) => inputIds.length),
    batchSize: training.per_device_train_batch_size,
    strategy: training.train_sampling_strategy,
    stream: stream(training.seed, 'shuffle'),
  };
  for (let epoch = 0; epoch < Math.ceil(plan.epochs); epoch++) {
    const steps = chunks(sampleBatches({ ...sampling, epoch }), training.gradient_accumulation_steps);
    for (const [index, step] of steps.entries()) {
      const batches = step.map((batch) =>
        collate(
          batch.map((row) => rows[row]!),
          padTokenId,
        ),
      );
      yield { batches, epoch: epoch + (index + 1) / steps.length, lastOfEpoch: index === steps.length - 1 };
    }
  }
}
