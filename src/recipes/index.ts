/**
 * recipes — a recipe becomes a run, and a run is used: train, evaluate, predict. Imports every room below.
 * Invariant: prints nothing; whoever calls decides what people see.
 */
export { type EvaluateOptions, evaluateTarget } from './evaluate.node.ts';
export { predictWith } from './predict.node.ts';
export { withStart } from './startSettings.node.ts';
export { type TrainEvent, type TrainOptions, trainInWorker } from './train/index.ts';
