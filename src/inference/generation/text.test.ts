import { expect, test } from 'vitest';
import { openTextStream, textBefore } from './index.ts';

const bytes = (text: string): number[] => [...new TextEncoder().encode(text)];
const decode = (tokens: readonly number[]): string => new TextDecoder().decode(Uint8Array.from(tokens));

function pieces(text: string, stop: readonly string[]): string[] {
  const stream = openTextStream(decode, stop);
  const given = bytes(text).map((token) => stream.push(token));
  return [...given, stream.end()];
}

test('characters come whole', () => {
  const found = pieces('a好b', []);
  expect(found).toEqual(['a', '', '', '好', 'b', '']);
});

test('what may be a text to stop at is held back until it is none', () => {
  expect(pieces('an end, and END', ['END'])).not.toContain('E');
  expect(pieces('an end, and END', ['END']).join('')).toBe('an end, and ');
  expect(pieces('EN or so', ['END']).join('')).toBe('EN or so');
  expect(pieces('so EN', ['END']).join('')).toBe('so EN');
});

test('nothing after the first text to stop at is given', () => {
  expect(pieces('one. two? three', ['?', '.']).join('')).toBe('one');
  expect(textBefore('one. two? three', ['?', '.'])).toBe('one');
  expect(textBefore('one', ['?'])).toBe('one');
});
