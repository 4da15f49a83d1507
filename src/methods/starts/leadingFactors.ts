import { type Matrix, singularParts } from './decompose.ts';

export interface Factors {
  /** [r, in] */
  readonly a: Matrix;
  /** [out, r] */
  readonly b: Matrix;
}

export interface Narrow {
  readonly rank: number;
  /** What B·A is multiplied by. */
  readonly scale: number;
}

/** B = U√(S/s), A = √(S/s)Vᵀ of the r largest singular values S of a matrix: s·BA is as near to it as rank r can be. */
export function leadingFactors(matrix: Matrix, { rank, scale }: Narrow): Factors {
  const { left, values, right } = singularParts(matrix, rank);
  const roots = values.map((value) => Math.sqrt(value / scale));
  const b = left.data.map((value, i) => value * roots[i % rank]!);
  const a = right.data.map((value, i) => value * roots[Math.floor(i / right.columns)]!);
  return { a: { ...right, data: a }, b: { ...left, data: b } };
}
