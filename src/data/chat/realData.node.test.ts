import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { openTextFile } from '../index.node.ts';
import { checkRows, readTexts } from '../index.ts';
import { readConversations } from './conversations.ts';

const shared = join(import.meta.dirname, '../../../../shared/data');
const isAbsent = !existsSync(shared);
if (isAbsent) console.warn(`tests on real conversations are skipped: ${shared} is absent`);

const rowsOf = async (set: string, part: string) =>
  (await checkRows(await openTextFile(join(shared, set, `${part}.jsonl`)))).rows;

test.skipIf(isAbsent).each([
  ['alpaca_en', 4000],
  ['alpaca_zh', 3000],
  ['gsm8k', 4000],
  ['identity', 91],
  ['self_instruct_human', 367],
])('%s: every row is a conversation of question and answer', async (set, count) => {
  const { conversations, format, problems } = readConversations(await rowsOf(set, 'train'), { format: 'auto' });
  expect([conversations.length, format, problems]).toEqual([count, 'messages', []]);
  expect(new Set(conversations.map(({ messages }) => messages.map(({ role }) => role).join(' ')))).toEqual(
    new Set(['user assistant']),
  );
});

test.skipIf(isAbsent)('songci: a prompt and a text become a conversation when the columns are named', async () => {
  const rows = await rowsOf('songci', 'train');
  const columns = { completion: 'text' };
  const { conversations, problems } = readConversations(rows, { format: 'auto', columns });
  expect([conversations.length, problems]).toEqual([4000, []]);
  expect(conversations[0]!.messages.map(({ content }) => content)).toEqual([
    rows[0]!.values.prompt,
    rows[0]!.values.text,
  ]);
});

test.skipIf(isAbsent).each([
  ['tinyshakespeare', 'train', 953],
  ['wikitext2', 'validation', 60],
  ['songci', 'train', 4000],
])('%s: every row is a text', async (set, part, count) => {
  const { texts, problems } = readTexts(await rowsOf(set, part));
  expect([texts.length, problems]).toEqual([count, []]);
});
