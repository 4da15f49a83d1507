/**
 * methods/byRow — many adapters in one batch: what each adds, as arrays; the method in which each row reads its own; the stacks
 * that a graph is fed. Invariant: knows no architecture; what cannot be one of many is refused, not left out.
 */
export { byRowMethod, OWNERS, type Stack } from './byRow.ts';
export type { Parts } from './parts.ts';
export { stackParts } from './stack.ts';
export { partsOf, type TrainedTensors } from './trained.ts';
