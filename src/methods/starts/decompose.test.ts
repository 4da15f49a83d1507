import { expect, test } from 'vitest';
import { normal, stream } from '../../engine/random/index.ts';
import { type Matrix, multiply, orthonormal, singularParts, transposed } from './decompose.ts';

const random = (rows: number, columns: number, name: string): Matrix => {
  const draws = stream(7, name);
  return { rows, columns, data: Float64Array.from({ length: rows * columns }, (_, i) => normal(draws, i)) };
};
const largest = (data: ArrayLike<number>): number => Array.from(data).reduce((a, b) => Math.max(a, Math.abs(b)), 0);

/** W = U·diag(s)·Vᵀ with singular values that are known. */
function known(rows: number, columns: number, values: readonly number[]) {
  const count = values.length;
  const [u, v] = [orthonormal(random(rows, count, 'u')), orthonormal(random(columns, count, 'v'))];
  const scaled = { ...u, data: u.data.map((value, i) => value * values[i % count]!) };
  return { weight: multiply(scaled, transposed(v)), u, v };
}

const decaying = (count: number): number[] => Array.from({ length: count }, (_, i) => 10 / (1 + i) ** 0.5);

test.each([
  [12, 7, 3],
  [7, 12, 3],
  [90, 140, 4],
  [140, 90, 8],
])('the largest singular directions of [%i, %i] are found, %i of them', (rows, columns, r) => {
  const values = decaying(Math.min(rows, columns));
  const { weight } = known(rows, columns, values);
  const found = singularParts(weight, r);
  expect(largest(found.values.map((value, i) => value / values[i]! - 1))).toBeLessThan(1e-10);
  // W·v = s·u, whatever the signs.
  const image = multiply(weight, transposed(found.right));
  const wanted = found.left.data.map((value, i) => value * found.values[i % r]!);
  expect(largest(image.data.map((value, i) => value - wanted[i]!))).toBeLessThan(1e-6);
});

test('a flat spectrum, as of what rounding leaves, has its largest directions too', () => {
  const weight = random(200, 150, 'noise');
  const [few, all] = [singularParts(weight, 6).values, singularParts(weight, 150).values];
  expect(largest(few.map((value, i) => value / all[i]! - 1))).toBeLessThan(1e-10);
  expect(all.reduce((sum, value) => sum + value ** 2, 0)).toBeCloseTo(
    weight.data.reduce((sum, value) => sum + value ** 2, 0),
    6,
  );
});

test('of a matrix with fewer directions than are asked for the others are zero', () => {
  const { weight } = known(40, 30, [4, 2]);
  const { values, left, right } = singularParts(weight, 5);
  expect(largest(values.map((value, i) => value - [4, 2, 0, 0, 0][i]!))).toBeLessThan(1e-7);
  const scaledLeft = { ...left, data: left.data.map((value, i) => value * values[i % 5]!) };
  expect(largest(multiply(scaledLeft, right).data.map((value, i) => value - weight.data[i]!))).toBeLessThan(1e-7);
  expect(singularParts({ rows: 3, columns: 2, data: new Float64Array(6) }, 2).values).toEqual(new Float64Array(2));
});

test('columns as long as a vocabulary become orthonormal', () => {
  const basis = orthonormal(random(128_256, 2, 'vocabulary'));
  expect(largest(multiply(transposed(basis), basis).data.map((value, i) => value - [1, 0, 0, 1][i]!))).toBeLessThan(
    1e-12,
  );
});

test('columns become orthonormal', () => {
  const basis = orthonormal(random(30, 9, 'columns'));
  const product = multiply(transposed(basis), basis).data;
  expect(largest(product.map((value, i) => value - (i % 10 === 0 ? 1 : 0)))).toBeLessThan(1e-14);
});
