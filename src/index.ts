/** The public surface of the package. */
export { AttuneError, type ErrorCode, errorCodes, type Problem } from './errors/index.ts';
export type { Metrics } from './evaluation/index.ts';
export type { Prediction, TextInput } from './inference/classifier.node.ts';
export {
  type CallOptions,
  type Classifier,
  type EvaluateCallOptions,
  evaluate,
  load,
  type Model,
  type Run,
  type TrainCallOptions,
  train,
} from './recipes/library.node.ts';
export { parseRecipe, type Recipe, type RecipeInput } from './recipes/schema/index.ts';
export type {
  ChatMessage,
  ChatOptions,
  GenerateOptions,
  LanguageModel,
  Tool,
} from './recipes/speaking/loadedModel.node.ts';
export type { Answer } from './recipes/speaking/speaker.node.ts';
export type { TrainEvent } from './recipes/train/index.ts';
