/**
 * inference — a trained model answers: scores, probabilities, labels. Imports training, tasks, data, models, engine.
 * Invariant: knows no metric and writes no file.
 */

export { decide, openScorer, type Scorer, type ScorerOptions, type Scores, softmax } from './scorer.ts';
export { openTokenScorer } from './tokenScorer.ts';
