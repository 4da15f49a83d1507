import { expect, test } from 'vitest';
import { longestOf, type Turn } from './turns.ts';

test('the longest answer is found among more turns than a call takes arguments', () => {
  const turn = (length: number) => ({ expected: new Array<number>(length).fill(5) }) as unknown as Turn;
  const turns = Array.from({ length: 200_000 }, (_, i) => turn(i === 7 ? 9 : 1));
  expect(longestOf(turns)).toBe(longestOf([turn(9)]));
});
