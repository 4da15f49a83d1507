import { expect, test } from 'vitest';
import { frozenMemory } from '../training/index.ts';
import { refuseNotFiniteScores } from './finiteAnswers.ts';

const scale = { dtype: 'float32' as const, shape: [1], data: Float32Array.of(Number.NaN) };
const codes = { dtype: 'int8' as const, shape: [1], data: Int8Array.of(1) };
const good = ['norm', Float32Array.of(1, -2)] as const;
const bad = ['layers.0', Float32Array.of(1, Number.POSITIVE_INFINITY)] as const;

test.each([
  ['a weight', frozenMemory(new Map([good, bad])), "m 'layers.0'"],
  ['the scale of a packed weight', frozenMemory(new Map([good]), new Map([['head', { codes, scale }]])), "m 'head'"],
  ['no weight', frozenMemory(new Map([good])), 'm'],
])('scores that are not finite are refused: %s is to blame', (_, memory, where) => {
  const weights = { memory, folder: 'm' };
  const finite = Float32Array.of(-3e38, 0, 3e38);
  expect(refuseNotFiniteScores(finite, weights)).toBe(finite);
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const refusal = expect.objectContaining({ code: 'WEIGHTS_NOT_FINITE', where });
    expect(() => refuseNotFiniteScores(Float32Array.of(1, value), weights)).toThrow(refusal);
  }
});
