/** Leading parts of a matrix, in double precision: its largest singular directions, and the first columns of its QR. */
import { normal, stream } from '../../engine/random/index.ts';
import { eigenpairs } from './tridiagonal.ts';

/** Row-major. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly data: Float64Array;
}

export interface SingularParts {
  /** [rows, r], one direction a column. */
  readonly left: Matrix;
  /** [r], the largest first. */
  readonly values: Float64Array;
  /** [r, columns], one direction a row. */
  readonly right: Matrix;
}

/** How far a direction may be from one that W only stretches, as a share of the largest stretch. */
const CONVERGED = 1e-9;

/**
 * W ≈ U·diag(s)·Vᵀ with the r largest s, by Lanczos' iteration on WᵀW or WWᵀ, whichever is smaller: directions that are
 * orthogonal to all before them, until the largest values of the tridiagonal matrix that WᵀW becomes in them stand still.
 * Of values that are equal to the last bit it may find one alone.
 */
export function singularParts(weight: Matrix, r: number): SingularParts {
  const isWide = weight.columns > weight.rows;
  const tall = isWide ? transposed(weight) : weight;
  const size = tall.columns;
  const directions = leadingDirections(tall, r);
  const [left, right] = [new Float64Array(tall.rows * r), new Float64Array(r * size)];
  const values = new Float64Array(r);
  for (const [k, direction] of directions.entries()) {
    const image = times(tall, direction);
    const length = Math.sqrt(dot(image, image));
    values[k] = length;
    for (let i = 0; i < tall.rows; i++) left[i * r + k] = length === 0 ? 0 : image[i]! / length;
    right.set(direction, k * size);
  }
  const found = {
    left: { rows: tall.rows, columns: r, data: left },
    values,
    right: { rows: r, columns: size, data: right },
  };
  return isWide ? { left: transposed(found.right), values, right: transposed(found.left) } : found;
}

/** The r directions that W stretches most, the first most of all. */
function leadingDirections(tall: Matrix, r: number): Float64Array[] {
  const size = tall.columns;
  const random = stream(0, 'decompose');
  const basis: Float64Array[] = [];
  const [diagonal, beside]: [number[], number[]] = [[], []];
  let rest: Float64Array = Float64Array.from({ length: size }, (_, i) => normal(random, i));
  let looked = Math.min(size, 2 * r + 16);
  for (;;) {
    basis.push(scaled(rest, 1 / Math.sqrt(dot(rest, rest))));
    const image = timesTransposed(tall, times(tall, basis.at(-1)!));
    diagonal.push(dot(image, basis.at(-1)!));
    rest = withoutShares(image, basis);
    const length = Math.sqrt(dot(rest, rest));
    if (basis.length >= looked) {
      const { values, vectors } = eigenpairs(diagonal, beside);
      const far = Math.max(...vectors.slice(0, r).map((vector) => length * Math.abs(vector.at(-1)!)));
      const isDone = basis.length === size || far <= CONVERGED * values[0]!;
      if (isDone) return vectors.slice(0, r).map((vector) => combined(basis, vector));
      looked = Math.min(size, Math.ceil(basis.length * 1.3));
    }
    // What the directions so far span, W keeps to itself: the rest of the space begins anew.
    const isLost = length <= Number.EPSILON * size * Math.max(...diagonal);
    if (isLost) {
      const fresh = Float64Array.from({ length: size }, (_, i) => normal(random, basis.length * size + i));
      rest = withoutShares(fresh, basis);
    }
    beside.push(isLost ? 0 : length);
  }
}

/** What is left of x beside some orthonormal directions. Twice, for rounding. */
export function withoutShares(x: Float64Array, basis: readonly Float64Array[]): Float64Array {
  const left = x.slice();
  for (let again = 0; again < 2; again++) {
    for (const direction of basis) {
      const share = dot(direction, left);
      for (let i = 0; i < left.length; i++) left[i]! -= share * direction[i]!;
    }
  }
  return left;
}

function combined(basis: readonly Float64Array[], shares: Float64Array): Float64Array {
  const sum = new Float64Array(basis[0]!.length);
  for (const [k, direction] of basis.entries()) {
    for (let i = 0; i < sum.length; i++) sum[i]! += shares[k]! * direction[i]!;
  }
  return sum;
}

/** Columns made orthonormal, one after the other and twice each (Gram and Schmidt). */
export function orthonormal({ rows, columns, data }: Matrix): Matrix {
  const out = data.slice();
  for (let k = 0; k < columns; k++) {
    for (let again = 0; again < 2; again++) {
      for (let j = 0; j < k; j++) {
        let overlap = 0;
        for (let i = 0; i < rows; i++) overlap += out[i * columns + k]! * out[i * columns + j]!;
        for (let i = 0; i < rows; i++) out[i * columns + k]! -= overlap * out[i * columns + j]!;
      }
    }
    let squares = 0;
    for (let i = 0; i < rows; i++) squares += out[i * columns + k]! ** 2;
    const length = Math.sqrt(squares) || 1;
    for (let i = 0; i < rows; i++) out[i * columns + k]! /= length;
  }
  return { rows, columns, data: out };
}

export function transposed({ rows, columns, data }: Matrix): Matrix {
  const out = new Float64Array(data.length);
  for (let i = 0; i < rows; i++) for (let j = 0; j < columns; j++) out[j * rows + i] = data[i * columns + j]!;
  return { rows: columns, columns: rows, data: out };
}

export function multiply(a: Matrix, b: Matrix): Matrix {
  const out = new Float64Array(a.rows * b.columns);
  for (let i = 0; i < a.rows; i++) {
    for (let k = 0; k < a.columns; k++) {
      const factor = a.data[i * a.columns + k]!;
      if (factor === 0) continue;
      for (let j = 0; j < b.columns; j++) out[i * b.columns + j]! += factor * b.data[k * b.columns + j]!;
    }
  }
  return { rows: a.rows, columns: b.columns, data: out };
}

const scaled = (x: Float64Array, factor: number): Float64Array => x.map((value) => value * factor);

export function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

/** W·x */
function times({ rows, columns, data }: Matrix, x: Float64Array): Float64Array {
  const image = new Float64Array(rows);
  for (let i = 0, at = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0; j < columns; j++, at++) sum += data[at]! * x[j]!;
    image[i] = sum;
  }
  return image;
}

/** Wᵀ·y */
function timesTransposed({ rows, columns, data }: Matrix, y: Float64Array): Float64Array {
  const sum = new Float64Array(columns);
  for (let i = 0, at = 0; i < rows; i++) {
    const factor = y[i]!;
    for (let j = 0; j < columns; j++, at++) sum[j]! += factor * data[at]!;
  }
  return sum;
}
