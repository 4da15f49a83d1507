/**
 * training — parameters in memory, gradients, the optimizer, schedules and the loop. Emits records.
 * Imports tasks, data, methods, models, files, engine, errors. Invariant: prints nothing and touches no file.
 */
export { type FeatureSource, featureBytes, openFeatures } from './features.ts';
export { gradientOutputs, type MicroBatch, type Recompute, type StepLoss } from './gradientSession.ts';
export {
  areFinite,
  type GuardOptions,
  type GuardState,
  type Guards,
  type Incident,
  openGuards,
} from './guards/index.ts';
export {
  inOrder,
  keptValues,
  type Loaded,
  type Loading,
  loadParameters,
  type NamedCheckpoint,
  nameInBase,
  ownForm,
  placeParameters,
  refuseNotFinite,
  refuseOtherHeads,
} from './loadParameters.ts';
export { type LoopOptions, type StepBatches, type StepOutcome, type StepRecord, trainSteps } from './loop.ts';
export type { MaskSource, Place } from './masks.ts';
export type { AdamWSettings, Update } from './optimizer.ts';
export {
  allocateParameters,
  frozenMemory,
  type ParameterMemory,
  packedForm,
  packedValues,
  parameterValues,
  type Slot,
  valuesOf,
  valuesOfTensor,
} from './parameterMemory.ts';
export type { Schedule, SchedulerName } from './schedule.ts';
export { openTrainer, type Trainer, type TrainerOptions } from './trainer.ts';
