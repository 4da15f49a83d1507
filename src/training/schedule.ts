/** Learning rate over a run, as Transformers' schedulers of the same names compute it. */
const schedulerNames = ['linear', 'cosine', 'constant', 'constant_with_warmup'] as const;
export type SchedulerName = (typeof schedulerNames)[number];

export interface Schedule {
  readonly name: SchedulerName;
  readonly learningRate: number;
  readonly warmupSteps: number;
  readonly totalSteps: number;
}

/** The rate of an update; the first one is step 0. */
export function learningRateAt({ name, learningRate, warmupSteps, totalSteps }: Schedule, step: number): number {
  if (name === 'constant') return learningRate;
  if (step < warmupSteps) return (learningRate * step) / Math.max(1, warmupSteps);
  if (name === 'constant_with_warmup') return learningRate;
  const progress = (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
  if (name === 'linear') return learningRate * Math.max(0, 1 - progress);
  return learningRate * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
}
