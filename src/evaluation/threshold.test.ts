import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chooseThreshold, metricsWith } from './answers.ts';
import { bestThreshold, type Judged } from './threshold.ts';

const row = (probability: number, isPositive: boolean): Judged => ({ probability, isPositive });

test.each([
  ['the two sides are apart', [row(0.1, false), row(0.2, false), row(0.4, true), row(0.9, true)], 0.3],
  ['0.5 parts them already', [row(0.2, false), row(0.45, false), row(0.6, true)], 0.5],
  ['the rare label is never sure', [row(0.05, false), row(0.1, true), row(0.02, false)], 0.075],
  ['everything is the second label', [row(0.2, true), row(0.4, true)], 0.1],
  ['nothing is the second label', [row(0.2, false), row(0.9, false)], 0.5],
  ['one mistake is taken for a hit', [row(0.3, true), row(0.4, false), row(0.8, true)], 0.15],
  ['equal probabilities stay together', [row(0.3, true), row(0.3, false), row(0.3, true)], 0.15],
  [
    'two are equally good, the one further down is closer to 0.5',
    [row(0.9, true), row(0.85, false), row(0.8, false), row(0.75, true), row(0.6, false)],
    0.675,
  ],
  ['probabilities are 0 and 1', [row(0, true), row(1, true), row(0, false)], 0.5],
])('%s', (_, rows, expected) => {
  expect(bestThreshold(rows)).toBeCloseTo(expected, 12);
});

function f1(rows: readonly Judged[], threshold: number): number {
  const count = (test: (one: Judged) => boolean) => rows.filter(test).length;
  const hits = count((one) => one.probability >= threshold && one.isPositive);
  const wrong = count((one) => one.probability >= threshold !== one.isPositive);
  return hits === 0 ? 0 : hits / (hits + wrong / 2);
}

test('no other threshold has a larger F1, and none between two rows with the same is closer to 0.5', () => {
  const rows = fc.array(fc.record({ probability: fc.integer({ min: 1, max: 99 }), isPositive: fc.boolean() }), {
    minLength: 1,
    maxLength: 12,
  });
  fc.assert(
    fc.property(rows, (drawn) => {
      const judged = drawn.map(({ probability, isPositive }) => row(probability / 100, isPositive));
      const chosen = bestThreshold(judged);
      const largest = f1(judged, chosen);
      expect(chosen).toBeGreaterThan(0);
      expect(chosen).toBeLessThan(1);
      for (let percent = 0.5; percent < 100; percent += 0.5) {
        expect(f1(judged, percent / 100)).toBeLessThanOrEqual(largest + 1e-12);
      }
      const sorted = [...new Set([0, ...judged.map(({ probability }) => probability)])].sort((a, b) => a - b);
      const middles = sorted.slice(1).map((value, i) => (value + sorted[i]!) / 2);
      const equals = [0.5, ...middles].filter((one) => Math.abs(f1(judged, one) - largest) < 1e-12);
      expect(Math.abs(chosen - 0.5)).toBeCloseTo(Math.min(...equals.map((one) => Math.abs(one - 0.5))), 12);
    }),
    { numRuns: 300 },
  );
});

test('metrics of the same answers with another threshold', () => {
  // Probabilities of the second label: 0.2, 0.4, 0.7.
  const logits = Float32Array.from([0, Math.log(0.25), 0, Math.log(2 / 3), 0, Math.log(7 / 3)]);
  const answers = { numLabels: 2, truths: [0, 1, 1], logits };
  const threshold = chooseThreshold(answers);
  expect(threshold).toBeCloseTo(0.3, 6);
  const before = { accuracy: 0, f1: 0, precision: 0, recall: 0, matthews_correlation: 0, loss: 0.25 };
  expect(metricsWith(undefined, answers, before)).toMatchObject({ accuracy: 2 / 3, recall: 0.5, loss: 0.25 });
  expect(metricsWith(threshold, answers, before)).toMatchObject({ accuracy: 1, recall: 1, f1: 1, loss: 0.25 });
});
