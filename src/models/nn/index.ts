/**
 * models/nn — the blocks that architectures share: scopes, sites, layers, attention, batches.
 * Imports engine. Invariant: knows no architecture and no method.
 */
export { type ActivationName, activationNames, activations } from './activation.ts';
export { type AttentionInputs, attention, splitHeads } from './attention.ts';
export {
  type Batch,
  batchInputs,
  counts,
  everyToken,
  firstTokens,
  packedInputs,
  packedTokenInputs,
  paddingBias,
  type Reading,
  tokenInputs,
} from './batch.ts';
export { causalBias } from './causal.ts';
export { batchInputsOf, type Cut, cutProgram, type Features } from './cutProgram.ts';
export { embedding, joinResidual, layerNorm, linear, rmsNorm, tokenScores, tokens } from './layers.ts';
export type {
  AddedOptions,
  Around,
  Built,
  KeyValueSite,
  LinearSite,
  Method,
  Segment,
  Site,
  SublayerSite,
  TokensSite,
} from './method.ts';
export type { Derived, GradientPromise, Initial, Parameter } from './parameter.ts';
export { buildProgram, type Program, type ProgramOptions, trainedOf } from './program.ts';
export { type Rotation, rotaryAngles, rotaryFields, rotationOf } from './rotary.ts';
export { type Build, type Mask, Scope } from './scope.ts';
export { type BasePrecision, basePrecisions, type Stored, storageOf } from './storage.ts';
