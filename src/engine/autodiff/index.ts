/**
 * engine/autodiff — reverse-mode differentiation of a graph. Imports engine/graph and the sum of two gradients.
 * Invariant: names no operation; each row brings its own gradient.
 */
export { gradients } from './gradients.ts';
