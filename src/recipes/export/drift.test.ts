import { expect, test } from 'vitest';
import { driftOf, refuseDrift } from './drift.ts';

test('the largest difference of a score, beside the largest score', () => {
  expect(driftOf([1, -4, 2], [1.5, -4, 2.25])).toEqual({ maxLogitDifference: 0.5, largestLogit: 4 });
});

test('what is not a number is refused wherever it stands', () => {
  const limit = { base: 'dequantised', precision: 'fp32', where: 'here' } as const;
  for (const after of [
    [Number.NaN, 2],
    [1, Number.NaN],
  ]) {
    expect(() => refuseDrift(driftOf([1, 2], after), limit)).toThrow('differ by up to NaN');
  }
});
