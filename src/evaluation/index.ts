/**
 * evaluation — metrics as streaming reducers, and passes over labelled data. Imports inference, data, engine.
 * Invariant: the scores of all rows are never held at once.
 */
export { type Evaluation, type EvaluationOptions, evaluateClassifier } from './evaluate.ts';
export {
  type ClassificationMetric,
  isBetter,
  type Metrics,
} from './metrics.ts';
