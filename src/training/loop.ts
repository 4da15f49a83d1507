/** The training loop: one record for each optimizer step. Prints nothing, saves nothing, evaluates nothing. */
import { AttuneError } from '../errors/index.ts';
import { learningRateAt, type Schedule } from './schedule.ts';
import type { MicroBatch, Trainer } from './trainer.ts';

/** The batches of one optimizer step, and how much of the data has been seen after it. */
export interface StepBatches {
  readonly batches: readonly MicroBatch[];
  readonly epoch: number;
  readonly lastOfEpoch: boolean;
}

export interface StepRecord {
  /** 1 for the first step. */
  readonly step: number;
  readonly epoch: number;
  readonly lastOfEpoch: boolean;
  /** Mean over everything that was scored in this step, before its update. */
  readonly loss: number;
  readonly learningRate: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  readonly rows: number;
  readonly tokens: number;
  /** Making the batches is part of it. */
  readonly seconds: number;
}

export interface LoopOptions {
  readonly schedule: Schedule;
  /** Longest global gradient norm that is used as it is; 0 turns clipping off. */
  readonly maxGradientNorm: number;
  readonly signal?: AbortSignal;
}

/** Runs until the steps end, or until the signal is aborted: then the step under way is finished first. */
export async function* trainSteps(
  trainer: Trainer,
  steps: Iterable<StepBatches> | AsyncIterable<StepBatches>,
  { schedule, maxGradientNorm, signal }: LoopOptions,
): AsyncGenerator<StepRecord> {
  let step = 0;
  let started = performance.now();
  for await (const { batches, epoch, lastOfEpoch } of steps) {
    if (signal?.aborted || step >= schedule.totalSteps) return;
    const learningRate = learningRateAt(schedule, step);
    step += 1;
    const { sum, count } = await trainer.gradients(batches, step);
    const gradientNorm = trainer.gradientNorm(count);
    refuseNonFinite({ step, loss: sum / count, gradientNorm });
    trainer.update({ step, learningRate, gradientScale: clippingScale(gradientNorm, maxGradientNorm) / count });
    const rows = batches.reduce((total, batch) => total + batch.rows, 0);
    const tokens = batches.reduce((total, batch) => total + batch.tokens, 0);
    const seconds = (performance.now() - started) / 1000;
    yield { step, epoch, lastOfEpoch, loss: sum / count, learningRate, gradientNorm, rows, tokens, seconds };
    started = performance.now();
  }
}

/** As torch.nn.utils.clip_grad_norm_ computes it. */
const clippingScale = (norm: number, max: number): number => (max > 0 ? Math.min(1, max / (norm + 1e-6)) : 1);

/** Before the update, so that the weights stay as the last good step left them. */
function refuseNonFinite({ step, loss, gradientNorm }: { step: number; loss: number; gradientNorm: number }): void {
  if (Number.isFinite(loss) && Number.isFinite(gradientNorm)) return;
  throw new AttuneError({
    code: 'TRAINING_NOT_FINITE',
    where: `step ${step}`,
    problem: `the loss is ${loss} and the gradient norm ${gradientNorm}; the weights were not updated`,
    fix: 'lower training.learning_rate, or keep training.max_grad_norm at 1.0',
  });
}
