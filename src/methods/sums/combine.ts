/**
 * One LoRA for a weighted sum of others, as PEFT's add_weighted_adapter makes it: Σ wᵢ·sᵢ·BᵢAᵢ ≈ BA.
 * cat: A = [w₁s₁A₁; w₂s₂A₂ …], B = [B₁, B₂ …]: exact, and ranks add up.
 * linear: A = Σ ±√|wᵢsᵢ|·Aᵢ, B = Σ √|wᵢsᵢ|·Bᵢ: of equal ranks, and products of one adapter's B with another's A come in.
 * svd: the sum's largest singular directions, B = U·S, A = Vᵀ: the nearest of that rank.
 */
import { dot, type Matrix, multiply, singularParts, transposed, withoutShares } from '../starts/decompose.ts';

export const combinations = ['cat', 'linear', 'svd'] as const;
export type Combination = (typeof combinations)[number];

/** Of one layer of an adapter. */
export interface Product {
  /** [r, in] */
  readonly a: Matrix;
  /** [out, r] */
  readonly b: Matrix;
  /** w·s */
  readonly factor: number;
}

type Pair = Pick<Product, 'a' | 'b'>;

/** The pair of one layer, filled up with zeros to the rank. It has no factor beside it. */
export function combine(combination: Combination, products: readonly Product[], rank: number): Pair {
  const { a, b } = ways[combination](products, rank);
  return { a: widened(a, rank), b: transposed(widened(transposed(b), rank)) };
}

const ways: Readonly<Record<Combination, (products: readonly Product[], rank: number) => Pair>> = {
  cat: (products) => ({
    a: stacked(products.map(({ a, factor }) => scaled(a, factor))),
    b: transposed(stacked(products.map(({ b }) => transposed(b)))),
  }),
  linear: (products) => ({
    a: sum(products.map(({ a, factor }) => scaled(a, Math.sign(factor) * Math.sqrt(Math.abs(factor))))),
    b: sum(products.map(({ b, factor }) => scaled(b, Math.sqrt(Math.abs(factor))))),
  }),
  svd: (products, rank) => nearest(ways.cat(products, rank), rank),
};

/** The product lies in what the columns of B and the rows of A span: a small matrix is decomposed, not a layer's. */
function nearest({ a, b }: Pair, rank: number): Pair {
  const [rows, columns] = [basisOf(b), basisOf(transposed(a))]; // [out, ≤R], [in, ≤R]
  const core = multiply(multiply(transposed(rows), b), multiply(a, columns));
  const found = Math.min(rank, core.rows, core.columns);
  const { left, values, right } = singularParts(core, found);
  const stretched = { ...left, data: left.data.map((value, i) => value * values[i % found]!) };
  return { a: multiply(right, transposed(columns)), b: multiply(rows, stretched) };
}

/** What is left of a column beside the others, as a share of it, below which it is rounding. */
const DEPENDENT = 1e-10;

/** Orthonormal columns that span the same: fewer, where some depend on others (Gram and Schmidt). */
function basisOf(matrix: Matrix): Matrix {
  const basis: Float64Array[] = [];
  const columns = transposed(matrix);
  for (let k = 0; k < columns.rows; k++) {
    const column = columns.data.slice(k * columns.columns, (k + 1) * columns.columns);
    const before = Math.sqrt(dot(column, column));
    const left = withoutShares(column, basis);
    const length = Math.sqrt(dot(left, left));
    if (length > DEPENDENT * before) basis.push(left.map((value) => value / length));
  }
  const data = new Float64Array(basis.length * columns.columns);
  for (const [k, direction] of basis.entries()) data.set(direction, k * columns.columns);
  return transposed({ rows: basis.length, columns: columns.columns, data });
}

const scaled = (matrix: Matrix, by: number): Matrix => ({ ...matrix, data: matrix.data.map((value) => by * value) });

function sum([first, ...others]: readonly Matrix[]): Matrix {
  const data = first!.data.slice();
  for (const other of others) for (let i = 0; i < data.length; i++) data[i]! += other.data[i]!;
  return { ...first!, data };
}

/** Rows under rows. */
function stacked(parts: readonly Matrix[]): Matrix {
  const { columns } = parts[0]!;
  const rows = parts.reduce((total, part) => total + part.rows, 0);
  const data = new Float64Array(rows * columns);
  let start = 0;
  for (const part of parts) {
    data.set(part.data, start);
    start += part.data.length;
  }
  return { rows, columns, data };
}

/** So many rows, zeros at the end. */
function widened({ columns, data }: Matrix, rows: number): Matrix {
  const wide = new Float64Array(rows * columns);
  wide.set(data);
  return { rows, columns, data: wide };
}
