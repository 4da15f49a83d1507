/**
 * models/nn — the blocks that architectures share: scopes, sites, layers, attention, batches.
 * Imports engine. Invariant: knows no architecture and no method.
 */
export { type ActivationName, activationNames, activations } from './activation.ts';
export { type AttentionInputs, attention, queryPartsFor, softcapped, splitHeads } from './attention.ts';
export {
  type Batch,
  batchInputs,
  counts,
  packedInputs,
  packedTokenInputs,
  paddingBias,
  type Targets,
  tokenInputs,
} from './batch.ts';
export { causal, type Keys, type Visibility } from './causal.ts';
export { batchInputsOf, type Cut, cutProgram, type Features } from './cutProgram.ts';
export {
  type Attending,
  gatedFeedForward,
  preNormBlock,
  projectHeads,
  type Reads,
  rotaryAttention,
  scoresLastToken,
} from './decoderBlocks.ts';
export {
  checkDecoder,
  count,
  decoderFields,
  layerWindows,
  rate,
  sameWindows,
  separateProjections,
  switchedWindowFields,
  switchedWindows,
  tiedEmbedding,
  windowFields,
  withHeads,
} from './decoderConfig.ts';
export { embedding, joinResidual, layerNorm, linear, offsetRmsNorm, rmsNorm, tokenScores, tokens } from './layers.ts';
export type {
  AddedOptions,
  AfterUpdate,
  Around,
  BeforeText,
  Built,
  ExactWeight,
  KeyValueSite,
  LinearSite,
  Method,
  Segment,
  Site,
  SublayerSite,
  TokensSite,
  UpdateMade,
} from './method.ts';
export type {
  DeclaredParameter,
  Derived,
  DerivedExactly,
  GradientPromise,
  Initial,
  Parameter,
} from './parameter.ts';
export { buildProgram, type Program, type ProgramOptions, trainedOf } from './program.ts';
export { everyToken, firstTokens, layerSights, type Reading } from './reading.ts';
export { longestText, type Rotation, rotaryKind, rotationOf, turn, turning } from './rotary.ts';
export { type Build, type Mask, Scope } from './scope.ts';
export { type BasePrecision, basePrecisions, type OwnForms, type Stored, storageOf, tableStorage } from './storage.ts';
export { lengthened, shifted } from './virtualTokens.ts';
