/**
 * recipes/train — one training run from recipe to folder. Imports every room below.
 * Invariant: bad input is refused before a folder is made, and a run that ends leaves a folder that says how.
 */
export type { OnTrainEvent, TrainEvent } from './events.ts';
export type { TrainOptions } from './train.node.ts';
export { trainInWorker } from './trainInWorker.node.ts';
