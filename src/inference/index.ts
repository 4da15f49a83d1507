/**
 * inference — a trained model answers: scores, probabilities, labels. Imports training, tasks, data, models, engine.
 * Invariant: knows no metric and writes no file.
 */
export { indexOfLargest, openScorer, type Scorer, type Scores } from './scorer.ts';
