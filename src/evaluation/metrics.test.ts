import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { classificationReducer } from './metrics.ts';

const golden = JSON.parse(readFileSync(new URL('../../tests/golden/metrics.json', import.meta.url), 'utf8'));

test.each([...golden.cases.entries()])('metrics equal scikit-learn (case %i)', (_, golden) => {
  const { num_labels: numLabels, truth, predicted, ...expected } = golden;
  const reducer = classificationReducer(numLabels);
  truth.forEach((label: number, i: number) => {
    reducer.add(label, predicted[i]);
  });
  reducer.addLoss(3, 2);
  const { accuracy, f1, precision, recall, matthews_correlation, loss } = reducer.metrics();
  const average = numLabels === 2 ? 'binary' : 'macro';
  expect(reducer.confusion).toEqual(expected.confusion);
  expect(accuracy).toBeCloseTo(expected.accuracy, 12);
  expect(f1).toBeCloseTo(expected[`${average}_f1`], 12);
  expect(precision).toBeCloseTo(expected[`${average}_precision`], 12);
  expect(recall).toBeCloseTo(expected[`${average}_recall`], 12);
  expect(matthews_correlation).toBeCloseTo(expected.matthews_correlation, 12);
  expect(loss).toBe(1.5);
});
