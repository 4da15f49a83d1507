/**
 * evaluation — metrics as streaming reducers, passes over labelled data, thresholds. Imports inference, data, engine.
 * Invariant: a pass holds a table of counts and one batch; who wants the scores of all rows collects them (`Answers`).
 */
export { type Answers, answerTo, chooseThreshold, metricsWith } from './answers.ts';
export { askForCalls, callingTurns, toolCallAccuracy } from './calling.ts';
export { type Evaluation, type EvaluationOptions, evaluateClassifier } from './evaluate.ts';
export { wilsonInterval } from './interval.ts';
export { evaluateLanguageModel } from './languageModel.ts';
export {
  type ClassificationMetrics,
  classificationReducer,
  isBetter,
  type LabelFigures,
  labelFigures,
  type MetricName,
  type Metrics,
} from './metrics.ts';
export { type Answered, answersTo, learnedTurns, longestOf, type Turn } from './turns.ts';
