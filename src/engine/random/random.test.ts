import { expect, test } from 'vitest';
import { normal, permutation, philox, stream, uniform } from './index.ts';

const hex = (words: readonly number[]): string => words.map((word) => word.toString(16).padStart(8, '0')).join(' ');

// Known answers of the authors' library (Random123, kat_vectors).
test.each([
  [7, [0, 0, 0, 0], [0, 0], '5f6fb709 0d893f64 4f121f81 4f730a48'],
  [10, [0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
  [
    10,
    [0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff],
    [0xffffffff, 0xffffffff],
    '408f276d 41c83b0e a20bc7c6 6d5451fd',
  ],
  [
    10,
    [0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344],
    [0xa4093822, 0x299f31d0],
    'd16cfe09 94fdcceb 5001e420 24126ea1',
  ],
] as const)('philox with %i rounds gives the known answer', (rounds, counter, key, expected) => {
  expect(hex(philox(counter, key, rounds))).toBe(expected);
});

test('streams of other names and seeds are unrelated, and the same stream repeats', () => {
  const draw = (seed: number, name: string) => Array.from({ length: 8 }, (_, i) => uniform(stream(seed, name), i));
  expect(draw(1, 'shuffle')).toEqual(draw(1, 'shuffle'));
  expect(draw(1, 'shuffle')).not.toEqual(draw(2, 'shuffle'));
  expect(draw(1, 'shuffle')).not.toEqual(draw(1, 'init'));
});

test('normal numbers have mean 0 and variance 1', () => {
  const from = stream(7, 'init');
  const values = Array.from({ length: 20_000 }, (_, i) => normal(from, i));
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  const variance = values.reduce((a, b) => a + (b - mean) ** 2, 0) / values.length;
  expect(Math.abs(mean)).toBeLessThan(0.03);
  expect(Math.abs(variance - 1)).toBeLessThan(0.03);
});

test('a permutation holds every number once, and every place is equally likely', () => {
  const from = stream(3, 'shuffle');
  expect(permutation(from, 50).sort((a, b) => a - b)).toEqual([...Array(50).keys()]);
  const firsts = new Array(5).fill(0);
  for (let epoch = 0; epoch < 5000; epoch++) firsts[permutation(from, 5, epoch)[0]!] += 1;
  for (const count of firsts) expect(Math.abs(count - 1000)).toBeLessThan(130);
});
