import { expect, test } from 'vitest';
import { textLengths } from './textLengths.ts';

test('characters, not UTF-16 units; 95 % of the texts are no longer than p95', () => {
  expect(textLengths([])).toBeUndefined();
  expect(textLengths(['😀é好'])).toEqual({ min: 3, median: 3, p95: 3, max: 3 });
  const texts = Array.from({ length: 100 }, (_, i) => 'x'.repeat(100 - i));
  expect(textLengths(texts)).toEqual({ min: 1, median: 50, p95: 95, max: 100 });
});
