/**
 * Q = q(W − s·BA) and the best A, B of rank r for W − Q, in turns (https://arxiv.org/abs/2310.08659, algorithm 1): what is
 * left of W when it is rounded, and factors that make up for a part of what is lost. q is the form that the base is kept in.
 */
import { type Factors, leadingFactors, type Narrow } from './leadingFactors.ts';

interface Rounding extends Narrow {
  /** [out, in] */
  readonly shape: readonly [number, number];
  /** T, the number of turns. */
  readonly rounds: number;
  /** q: what is left of values when they are rounded. */
  readonly rounded: (values: Float32Array) => Float32Array;
}

export interface LowRankPair {
  readonly a: Float32Array;
  readonly b: Float32Array;
}

export interface LoftQ {
  /** What training begins with. */
  readonly start: LowRankPair;
  /** What W lost before it was rounded last: Q is made of W and of these alone. */
  readonly taken: LowRankPair;
}

export function loftq(weight: Float32Array, { rounds, rounded, ...narrow }: Rounding): LoftQ {
  const { shape, rank } = narrow;
  const [out, width] = shape;
  let taken: LowRankPair = { a: new Float32Array(rank * width), b: new Float32Array(out * rank) };
  for (let round = 1; ; round++) {
    const kept = rounded(less(weight, taken, narrow));
    const lost = { rows: out, columns: width, data: difference(weight, kept) };
    const start = pairOf(leadingFactors(lost, narrow));
    if (round === rounds) return { start, taken };
    taken = start;
  }
}

/** Not Float64Array.from with a function, which takes ten times as long. */
function difference(a: Float32Array, b: Float32Array): Float64Array {
  const result = new Float64Array(a.length);
  for (let i = 0; i < a.length; i++) result[i] = a[i]! - b[i]!;
  return result;
}

const pairOf = ({ a, b }: Factors): LowRankPair => ({ a: Float32Array.from(a.data), b: Float32Array.from(b.data) });

/** W − s·BA, in double precision: the same bits wherever it is made of the same numbers. */
export function less(
  weight: Float32Array,
  { a, b }: LowRankPair,
  { shape: [out, width], rank, scale }: Pick<Rounding, 'shape' | keyof Narrow>,
): Float32Array {
  const result = new Float32Array(weight.length);
  const row = new Float64Array(width);
  for (let i = 0; i < out; i++) {
    row.fill(0);
    for (let k = 0; k < rank; k++) {
      const factor = scale * b[i * rank + k]!;
      for (let j = 0; j < width; j++) row[j]! += factor * a[k * width + j]!;
    }
    for (let j = 0; j < width; j++) result[i * width + j] = weight[i * width + j]! - row[j]!;
  }
  return result;
}
