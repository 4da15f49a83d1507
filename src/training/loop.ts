/** The training loop: one record for each optimizer step. Prints nothing, saves nothing, evaluates nothing. */
import type { MicroBatch } from './gradientSession.ts';
import type { Guards, Incident } from './guards/index.ts';
import { learningRateAt, type Schedule } from './schedule.ts';
import type { Trainer } from './trainer.ts';

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
  /** What the method added to that mean; left out where it adds nothing. */
  readonly penalty?: number;
  readonly learningRate: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  readonly rows: number;
  readonly tokens: number;
  /** Making the batches is part of it. */
  readonly seconds: number;
}

/** A step, or why its update was not made. After an incident whose action is `stop` nothing follows. */
export interface StepOutcome extends StepRecord {
  readonly incident?: Incident | undefined;
  /** Numbers of its rows in the training data. */
  readonly examples: readonly number[];
}

export interface LoopOptions {
  readonly schedule: Schedule;
  /** Longest global gradient norm that is used as it is; 0 turns clipping off. */
  readonly maxGradientNorm: number;
  /** Left out: every update is made. */
  readonly guards?: Guards;
  /** Steps that were done before; `steps` begins with the one after them. */
  readonly firstStep?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Runs until the steps end, or until the signal is aborted: then the step under way is finished first. */
export async function* trainSteps(
  trainer: Trainer,
  steps: Iterable<StepBatches> | AsyncIterable<StepBatches>,
  { schedule, maxGradientNorm, guards, firstStep = 0, signal }: LoopOptions,
): AsyncGenerator<StepOutcome> {
  let step = firstStep;
  let started = performance.now();
  for await (const { batches, epoch, lastOfEpoch } of steps) {
    if (signal?.aborted || step >= schedule.totalSteps) return;
    const learningRate = learningRateAt(schedule, step) * (guards?.rateScale() ?? 1);
    step += 1;
    const { sum, count, penalty } = await trainer.gradients(batches, step);
    const loss = sum / count;
    const gradientNorm = trainer.gradientNorm(count);
    const rows = batches.reduce((total, batch) => total + batch.rows, 0);
    const tokens = batches.reduce((total, batch) => total + batch.tokens, 0);
    const incident = await guards?.judge({ step, loss, gradientNorm, rows, batches, learningRate });
    const gradientScale = clippingScale(gradientNorm, maxGradientNorm) / count;
    if (!incident) trainer.update({ step, updates: guards?.updates() ?? step, learningRate, gradientScale });
    const seconds = (performance.now() - started) / 1000;
    const examples = batches.flatMap((batch) => batch.examples ?? []);
    const record = { step, epoch, lastOfEpoch, loss, learningRate, gradientNorm, rows, tokens, seconds };
    yield { ...record, ...(penalty !== undefined && { penalty }), incident, examples };
    if (incident?.action === 'stop') return;
    started = performance.now();
  }
}

/** As torch.nn.utils.clip_grad_norm_ computes it. */
const clippingScale = (norm: number, max: number): number => (max > 0 ? Math.min(1, max / (norm + 1e-6)) : 1);
