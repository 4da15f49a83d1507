/** Leading parts of a matrix, in double precision: its largest singular directions, and the first columns of its QR. */
import { normal, stream } from '../../engine/random/index.ts';

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

const SWEEPS = 500;
const CONVERGED = 1e-13;

/**
 * W ≈ U·diag(s)·Vᵀ with the r largest s. Subspace iteration on WᵀW or WWᵀ, whichever is smaller, with directions to
 * spare; of a small matrix all directions are found at once.
 */
export function singularParts(weight: Matrix, r: number): SingularParts {
  const isWide = weight.columns > weight.rows;
  const tall = isWide ? transposed(weight) : weight;
  const gram = multiply(transposed(tall), tall); // [n, n]
  const size = gram.rows;
  const spare = 2 * r + 8;
  const directions = spare * 2 >= size ? eigenvectors(gram).vectors : iterate(gram, spare);
  const [left, right] = [new Float64Array(tall.rows * r), new Float64Array(r * size)];
  const values = new Float64Array(r);
  for (let k = 0; k < r; k++) {
    const direction = { rows: size, columns: 1, data: column(directions, k) };
    const image = multiply(tall, direction).data;
    const length = Math.hypot(...image);
    values[k] = length;
    for (let i = 0; i < tall.rows; i++) left[i * r + k] = length === 0 ? 0 : image[i]! / length;
    right.set(direction.data, k * size);
  }
  const found = {
    left: { rows: tall.rows, columns: r, data: left },
    values,
    right: { rows: r, columns: size, data: right },
  };
  return isWide ? { left: transposed(found.right), values, right: transposed(found.left) } : found;
}

/** The leading eigenvectors of a symmetric matrix as columns, [n, count]. */
function iterate(gram: Matrix, count: number): Matrix {
  const random = stream(0, 'decompose');
  let basis = orthonormal({
    rows: gram.rows,
    columns: count,
    data: Float64Array.from({ length: gram.rows * count }, (_, i) => normal(random, i)),
  });
  let before: readonly number[] = [];
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const image = multiply(gram, basis);
    const { values, vectors } = eigenvectors(multiply(transposed(basis), image));
    basis = orthonormal(multiply(image, vectors));
    const moved = Math.max(...values.map((value, i) => Math.abs(value - (before[i] ?? 0))));
    if (moved <= CONVERGED * values[0]!) break;
    before = values;
  }
  const { vectors } = eigenvectors(multiply(transposed(basis), multiply(gram, basis)));
  return multiply(basis, vectors);
}

/** All eigenvectors of a small symmetric matrix by Jacobi's rotations, the largest value first. */
function eigenvectors({ rows: n, data }: Matrix): { values: readonly number[]; vectors: Matrix } {
  const a = data.slice();
  const v = new Float64Array(n * n);
  for (let i = 0; i < n; i++) v[i * n + i] = 1;
  const scale = Math.hypot(...a) || 1;
  for (let sweep = 0; sweep < 60; sweep++) {
    let largest = 0;
    for (let p = 0; p < n; p++) for (let q = p + 1; q < n; q++) largest = Math.max(largest, rotate(a, v, { n, p, q }));
    if (largest <= 1e-16 * scale) break;
  }
  const order = [...new Array(n).keys()].sort((i, j) => a[j * n + j]! - a[i * n + i]!);
  const vectors = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (const [k, from] of order.entries()) vectors[i * n + k] = v[i * n + from]!;
  return { values: order.map((i) => a[i * n + i]!), vectors: { rows: n, columns: n, data: vectors } };
}

interface Pair {
  readonly n: number;
  readonly p: number;
  readonly q: number;
}

/** Turns two axes so that their shared entry vanishes; returns how large it was. */
function rotate(a: Float64Array, v: Float64Array, { n, p, q }: Pair): number {
  const entry = a[p * n + q]!;
  if (entry === 0) return 0;
  const theta = (a[q * n + q]! - a[p * n + p]!) / (2 * entry);
  const t = Math.sign(theta || 1) / (Math.abs(theta) + Math.hypot(theta, 1));
  const c = 1 / Math.hypot(t, 1);
  const s = t * c;
  const turn = (x: Float64Array, i: number, j: number): void => {
    const [first, second] = [x[i]!, x[j]!];
    x[i] = c * first - s * second;
    x[j] = s * first + c * second;
  };
  for (let k = 0; k < n; k++) turn(a, k * n + p, k * n + q);
  for (let k = 0; k < n; k++) turn(a, p * n + k, q * n + k);
  for (let k = 0; k < n; k++) turn(v, k * n + p, k * n + q);
  return Math.abs(entry);
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
    const length = Math.hypot(...column({ rows, columns, data: out }, k)) || 1;
    for (let i = 0; i < rows; i++) out[i * columns + k]! /= length;
  }
  return { rows, columns, data: out };
}

const column = ({ rows, columns, data }: Matrix, k: number): Float64Array =>
  Float64Array.from({ length: rows }, (_, i) => data[i * columns + k]!);

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
