import { expect, test } from 'vitest';
import { nearest } from './nearest.ts';

const keys = ['train', 'test', 'text', 'label', 'seed', 'learning_rate', 'max_steps', 'max_length'];

test.each([
  ['lable', 'label', 'two neighbours swapped'],
  ['txet', 'text', 'two neighbours swapped in a short word'],
  ['learning_rtae', 'learning_rate', 'two neighbours swapped in a long word'],
  ['tran', 'train', 'a letter left out'],
  ['seeed', 'seed', 'a letter too many'],
  ['max_stebs', 'max_steps', 'another letter'],
  ['Max_Length', 'max_length', 'other case'],
  ['learning_rates_', 'learning_rate', 'two letters too many'],
  ['label', 'label', 'the word itself'],
])('%s means %s: %s', (word, meant) => {
  expect(nearest(word, keys)).toBe(meant);
});

test('a word that is far from every candidate means none of them', () => {
  expect(nearest('optimizer', keys)).toBeUndefined();
  expect(nearest('sd', keys)).toBeUndefined();
  expect(nearest('seed', [])).toBeUndefined();
});

test('a swap whose letters are edited again counts as several edits', () => {
  // ca → abc is 3, not swap and insert, which would be 2.
  expect(nearest('ca____', ['abc____'])).toBeUndefined();
});

test('of two that are equally near, the first is meant', () => {
  expect(nearest('tet', ['test', 'text'])).toBe('test');
});
