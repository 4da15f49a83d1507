/** Measuring a language model on rows: which are read first, and what of them is measured is told. */
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { attune, errorOf, temporaryFolder } from './attune.ts';
import { writeRows } from './reviews.ts';

const model = join(import.meta.dirname, '../golden/sft/model');
const folder = temporaryFolder();
const place = { cwd: folder };
const user = (content: string) => ({ role: 'user', content });
const answer = (content: string) => ({ role: 'assistant', content });

it('rows that cannot be read are told before weights are opened', async () => {
  cpSync(model, join(folder, 'weightless'), { recursive: true });
  writeFileSync(join(folder, 'weightless/model.safetensors'), 'nothing');
  const refused = async (data: string) => {
    const { code, where } = errorOf(await attune(['eval', 'weightless', '--data', data, '--json'], place));
    return `${code} ${where}`;
  };
  writeRows(folder, 'bad.jsonl', [{ messages: [user('a'), user('b'), answer('c')] }]);
  expect(await refused('bad.jsonl')).toMatch(/^CHAT_ORDER bad\.jsonl:1/);
  expect(await refused('missing.jsonl')).toBe('DATA_FILE missing.jsonl');
  writeRows(folder, 'good.jsonl', [{ messages: [user('a'), answer('b')] }]);
  expect(await refused('good.jsonl')).toContain('model.safetensors');
});
