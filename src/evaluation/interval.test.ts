import { expect, test } from 'vitest';
import { wilsonInterval } from './interval.ts';

// scipy.stats.binomtest(hits, rows).proportion_ci(0.95, method='wilson')
test.each([
  [0, 10, 0, 0.27753279986288926],
  [1, 10, 0.017876213095072896, 0.4041500267952385],
  [27, 30, 0.7437891742081592, 0.9654001112526657],
  [489, 500, 0.9610391387886836, 0.9876719917300725],
  [10, 10, 0.7224672001371109, 1],
])('%i of %i rows as SciPy', (hits, rows, low, high) => {
  const [foundLow, foundHigh] = wilsonInterval(hits / rows, rows);
  expect(foundLow).toBeCloseTo(low, 12);
  expect(foundHigh).toBeCloseTo(high, 12);
});

test('no row says nothing', () => {
  expect(wilsonInterval(0, 0)).toEqual([0, 1]);
});
