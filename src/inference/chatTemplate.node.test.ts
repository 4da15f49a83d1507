import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { chatTemplateOf, TEMPLATE_FILE } from './chatTemplate.node.ts';
import { readModelFolder } from './modelFolder.node.ts';

const folder = mkdtempSync(join(tmpdir(), 'attune-template-'));
afterAll(() => rmSync(folder, { recursive: true }));
cpSync(join(import.meta.dirname, '../../tests/golden/sft/model'), folder, { recursive: true });
const path = join(folder, TEMPLATE_FILE);

test('a template that is there and cannot be read is not passed over', async () => {
  const source = await readModelFolder(folder);
  const found = () => chatTemplateOf(source, { tools: false, beside: undefined });
  expect(await found()).toMatchObject({ where: path });
  rmSync(path);
  expect(await found()).toBeUndefined();
  mkdirSync(path);
  const refusal = { code: 'CHAT_TEMPLATE', where: path };
  await expect(found()).rejects.toMatchObject({ ...refusal, problem: expect.stringContaining('(EISDIR)') });
  rmSync(path, { recursive: true });
  if (process.platform === 'win32') return;
  symlinkSync(path, path);
  await expect(found()).rejects.toMatchObject({ ...refusal, problem: expect.stringContaining('(ELOOP)') });
});
