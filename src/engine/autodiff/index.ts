/**
 * engine/autodiff — reverse-mode differentiation of a graph. Imports engine/graph, the sum of two gradients and what delays a computation.
 * Invariant: names no operation; each row brings its own gradient.
 */
export { gradients } from './gradients.ts';
