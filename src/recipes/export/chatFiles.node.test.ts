import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Adapter } from '../../store/adapters/index.ts';
import { copyChat } from './chatFiles.node.ts';

const folder = mkdtempSync(join(tmpdir(), 'attune-chat-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** What of these files goes with an adapter. */
async function copied(files: Readonly<Record<string, string>>): Promise<string[]> {
  const [from, to] = ['from', 'to'].map((name) => join(folder, name));
  for (const place of [from!, to!]) {
    rmSync(place, { recursive: true, force: true });
    mkdirSync(place);
  }
  for (const [name, text] of Object.entries(files)) writeFileSync(join(from!, name), text);
  await copyChat({ folder: from! } as Adapter, to!);
  return readdirSync(to!).sort();
}

test('a template in tokenizer_config.json goes with the whole tokenizer, which other programs open for it', async () => {
  const tokenizer = { 'tokenizer.json': '{}', 'special_tokens_map.json': '{}', 'merges.txt': '', 'spiece.model': '' };
  const written = { ...tokenizer, 'tokenizer_config.json': '{"chat_template":"{{ messages }}"}' };
  expect(await copied({ ...written, 'README.md': '', 'optimizer.pt': '' })).toEqual(Object.keys(written).sort());
  expect(await copied({ ...tokenizer, 'tokenizer_config.json': '{}' })).toEqual([]);
});
