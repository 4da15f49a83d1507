import { expect, test } from 'vitest';
import { type Drift, driftOf, refuseDrift } from './drift.ts';

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

test.each([
  [872, 43, undefined, undefined],
  [872, 44, undefined, 'merged, it answers 44 of 872 rows otherwise; 43 are allowed (accuracy 0.9000, merged 0.8500)'],
  [872, 44, 1, undefined],
  [30, 2, undefined, undefined],
  [30, 3, undefined, 'it answers 3 of 30 rows otherwise; 2 are allowed'],
])('of %d rows %d are answered otherwise, with --max-drift %s: %s', (rows, changedAnswers, maxDrift, problem) => {
  const metrics = { before: { accuracy: 0.9 }, after: { accuracy: 0.85 } } as unknown as NonNullable<Drift['metrics']>;
  const drift = { maxLogitDifference: 0.2, largestLogit: 1, rows, changedAnswers, metrics };
  const refuse = () => refuseDrift(drift, { base: 'dequantised', precision: 'int8', maxDrift, where: 'here' });
  if (problem === undefined) expect(refuse).not.toThrow();
  else expect(refuse).toThrow(problem);
});
