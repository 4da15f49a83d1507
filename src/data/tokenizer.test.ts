import fc from 'fast-check';
import { expect, test } from 'vitest';
import { shorten } from './tokenizer.ts';

test('both parts fit, none grows, and no place is wasted', () => {
  fc.assert(
    fc.property(fc.nat(60), fc.nat(60), fc.nat(130), (a, b, room) => {
      const [first, second] = shorten([a, b], room) as [number, number];
      expect(first).toBeLessThanOrEqual(a);
      expect(second).toBeLessThanOrEqual(b);
      expect(first + second).toBe(Math.min(room, a + b));
    }),
  );
});

test('the longer part gives up tokens first; of an odd room the longer one, or the second, has one more', () => {
  expect(shorten([10, 3], 8)).toEqual([5, 3]);
  expect(shorten([3, 10], 8)).toEqual([3, 5]);
  expect(shorten([10, 9], 7)).toEqual([4, 3]);
  expect(shorten([9, 9], 7)).toEqual([3, 4]);
});

test('a single text is cut to the room there is', () => {
  expect(shorten([9], 4)).toEqual([4]);
  expect(shorten([3], 4)).toEqual([3]);
});
