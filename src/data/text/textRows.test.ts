import { expect, test } from 'vitest';
import { readGolden } from '../../../tests/golden/fixtures.ts';
import { IGNORED } from '../batch.ts';
import { openTokenizer } from '../tokenizer.ts';
import { textRows } from './textRows.ts';

const named = { bos_token: '<s>', eos_token: '</s>' };
const metaspace = openTokenizer(readGolden('chat/metaspace.json'), named, 'tokenizer.json');
const bytelevel = openTokenizer(readGolden('chat/bytelevel.json'), { eos_token: '<|endoftext|>' }, 'tokenizer.json');
const texts = (...all: string[]) => all.map((text, i) => ({ text, where: `d:${i + 1}` }));

test('a text has the beginning that its tokenizer gives, an end, and all of it but the first token is learned', () => {
  const { rows, facts } = textRows(texts('the answer'), { tokenizer: metaspace, maxLength: 100 });
  expect(metaspace.decode(rows[0]!.inputIds)).toBe('<s> the answer</s>');
  expect(rows[0]!.labels).toEqual([IGNORED, ...rows[0]!.inputIds.slice(1)]);
  expect(facts).toMatchObject({ tokens: rows[0]!.inputIds.length, labels: rows[0]!.inputIds.length - 1 });
  const [alone] = textRows(texts('the answer'), { tokenizer: bytelevel, maxLength: 100 }).rows;
  expect(bytelevel.decode(alone!.inputIds)).toBe('the answer<|endoftext|>');
});

test('a long text becomes blocks in which every token is learned once', () => {
  const text = 'The weather in Oslo is cold today, and the assistant answers.';
  const whole = textRows(texts(text), { tokenizer: bytelevel, maxLength: 1000 }).rows[0]!;
  for (const maxLength of [8, 9, whole.inputIds.length - 1, whole.inputIds.length]) {
    const { rows, examples, facts } = textRows(texts(text), { tokenizer: bytelevel, maxLength });
    expect(rows.flatMap(({ labels }) => labels.filter((label) => label !== IGNORED))).toEqual(whole.inputIds.slice(1));
    expect(Math.max(...rows.map(({ inputIds }) => inputIds.length))).toBeLessThanOrEqual(maxLength);
    expect([facts.labels, new Set(examples).size]).toEqual([whole.inputIds.length - 1, 1]);
  }
});

test('a text that brings its own beginning would have two', () => {
  const { problems } = textRows(texts('the', '<s>the'), { tokenizer: metaspace, maxLength: 100 });
  expect(problems).toEqual([expect.objectContaining({ code: 'CHAT_BOS', where: 'd:2', line: 2 })]);
});
