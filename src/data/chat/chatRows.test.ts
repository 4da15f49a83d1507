import { expect, test } from 'vitest';
import { readGolden } from '../../../tests/golden/fixtures.ts';
import { row } from '../row.ts';
import { openTokenizer } from '../tokenizer.ts';
import { type ChatRowOptions, chatRows } from './chatRows.ts';
import { readConversations } from './conversations.ts';
import { chatml } from './ownTemplates.ts';
import { openTemplate } from './template.ts';

const specialTokens = { eos_token: '<|im_end|>' };
const tokenizer = openTokenizer(readGolden('chat/bytelevel.json'), specialTokens, 'tokenizer.json');
const template = openTemplate({ text: chatml, where: 'chatml', specialTokens }, new Date());
const rowsOf = (pairs: readonly (readonly [string, string])[], options: Partial<ChatRowOptions> = {}) => {
  const rows = pairs.map(([prompt, completion], i) => row({ prompt, completion }, 'd', i + 1));
  const { conversations } = readConversations(rows, { format: 'auto' });
  return chatRows(conversations, { template, tokenizer, maxLength: 1000, onEmptyLabels: 'error', ...options });
};
const long = 'the weather '.repeat(20);

test('lengths are counted, and what ends an answer', () => {
  const { rows, facts, endTokens } = rowsOf([
    ['Hi', 'a'],
    ['Hi', 'the answer'],
  ]);
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  expect(facts).toEqual({
    tokens: lengths[0]! + lengths[1]!,
    labels: facts.labels,
    truncated: 0,
    lostLabels: 0,
    lostEnds: 0,
    dropped: 0,
  });
  expect(facts.labels).toBe(1 + 1 + tokenizer.ids('the answer').length + 1);
  expect([...endTokens]).toEqual([[tokenizer.ids('<|im_end|>')[0], 2]]);
});

test('an answer that is cut loses tokens to learn; one that is cut off is an error with its place', () => {
  const pairs = [
    ['Hi', long],
    [long, 'a'],
  ] as const;
  const { rows, examples, facts, endTokens, problems } = rowsOf(pairs, { maxLength: 40 });
  expect(rows.map(({ inputIds }) => inputIds.length)).toEqual([40]);
  const whole = rowsOf([pairs[0]]).facts.labels;
  expect(facts).toMatchObject({ truncated: 1, dropped: 0, lostLabels: whole - facts.labels });
  expect([facts.lostEnds, endTokens.size]).toEqual([1, 0]);
  expect(examples.map(({ where }) => where)).toEqual(['d:1']);
  expect(problems).toEqual([expect.objectContaining({ code: 'DATA_NO_LABELS', where: 'd:2', line: 2 })]);
});

test('such rows may be dropped, and are counted', () => {
  const pairs = [
    ['Hi', 'a'],
    [long, 'a'],
  ] as const;
  const { rows, facts, problems } = rowsOf(pairs, { maxLength: 40, onEmptyLabels: 'drop' });
  expect([rows.length, facts.dropped, problems]).toEqual([1, 1, []]);
});
