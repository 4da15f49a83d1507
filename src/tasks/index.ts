/**
 * tasks — one file per task: from a batch to a loss and scores. Imports models, data, engine, errors.
 * Invariant: a loss is a sum and a count; nobody here divides.
 */
export { type CausalLmOutputs, type CausalLmSettings, causalLm, nextToken } from './causalLm.ts';
export type { Loss } from './loss.ts';
export { type ClassificationOutputs, type ClassificationSettings, classify } from './textClassification.ts';
