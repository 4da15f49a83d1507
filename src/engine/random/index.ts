/**
 * engine/random — named, counter-based streams of random numbers. Imports nothing.
 * Invariant: no hidden state; a number is a function of seed, name and counter.
 */
export { philox, type Words } from './philox.ts';
export { normal, permutation, type Stream, stream, uniform } from './stream.ts';
