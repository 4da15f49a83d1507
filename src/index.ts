/** The public surface of the package. */
export { AttuneError, type ErrorCode, errorCodes, type Problem } from './errors/index.ts';
export type { Metrics } from './evaluation/index.ts';
export type { Prediction, TextInput } from './inference/classifier.node.ts';
export {
  type CallOptions,
  type Classifier,
  combineAdapters,
  type EvaluateCallOptions,
  type Evaluation,
  evaluate,
  load,
  type Model,
  type Run,
  type SumCallOptions,
  type TrainCallOptions,
  train,
} from './recipes/library.node.ts';
export type { AdaptedModel, ByAdapter, ChatByAdapter, GenerateByAdapter } from './recipes/manyAdapters/adaptedModel.ts';
export type { Loading } from './recipes/manyAdapters/loading.ts';
export type { AdapterReferences } from './recipes/manyAdapters/names.ts';
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
