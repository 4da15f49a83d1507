import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openTemplate } from '../data/chat/index.ts';
import { chatTemplateOf, standingAlone, TEMPLATE_FILE } from './chatTemplate.node.ts';
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

describe("an adapter's own template", () => {
  const named = [
    { name: 'default', template: 'plain' },
    { name: 'tool_use', template: 'with tools' },
  ];
  /** With these files in the adapter's folder. */
  async function found(files: Readonly<Record<string, unknown>>, tools = false) {
    const beside = mkdtempSync(join(folder, 'adapter-'));
    for (const [name, value] of Object.entries(files)) {
      writeFileSync(join(beside, name), typeof value === 'string' ? value : JSON.stringify(value));
    }
    cpSync(join(import.meta.dirname, '../../tests/golden/sft/model', TEMPLATE_FILE), path);
    return (await chatTemplateOf(await readModelFolder(folder), { tools, beside }))!;
  }
  const [jinja, json, config] = [
    { [TEMPLATE_FILE]: 'jinja' },
    { 'chat_template.json': { chat_template: 'json' } },
    { 'tokenizer_config.json': { chat_template: 'config', eos_token: '<|im_start|>', pad_token: 'no token of it' } },
  ];

  test('is looked for where Transformers looks for it, before that of the base', async () => {
    expect((await found({ ...jinja, ...json, ...config })).text).toBe('jinja');
    expect((await found({ ...json, ...config })).text).toBe('json');
    expect((await found(config)).text).toBe('config');
    for (const given of [named, []]) {
      const files = { 'tokenizer_config.json': { chat_template: given } };
      expect([(await found(files)).text, (await found(files, true)).text]).toEqual(
        given.length > 0 ? ['plain', 'with tools'] : Array(2).fill(expect.stringContaining('<|im_start|>')),
      );
    }
    expect((await found({ 'tokenizer_config.json': {} })).text).toContain('<|im_start|>');
  });

  test('is written with its own special tokens, where the base has them', async () => {
    const { specialTokens } = await found({});
    expect((await found(config)).specialTokens).toEqual({ ...specialTokens, eos_token: '<|im_start|>' });
    expect(specialTokens['eos_token']).not.toBe('<|im_start|>');
    const { chat_template: _, ...tokens } = config['tokenizer_config.json']!;
    expect((await found({ 'tokenizer_config.json': tokens })).specialTokens).toEqual(specialTokens);
  });

  test('says itself what its tokens are, where it is saved without them', async () => {
    const naming = { chat_template: '{{ bos_token }}{{ eos_token }}', eos_token: '<|im_start|>' };
    const template = await found({ 'tokenizer_config.json': naming });
    const source = await readModelFolder(folder);
    const alone = standingAlone(template, source);
    const { specialTokens } = await found({});
    const written = openTemplate({ ...alone, specialTokens }, new Date()).render({ messages: [], tools: [] });
    expect(written.text).toBe(`${specialTokens['bos_token'] ?? ''}<|im_start|>`);
    expect(standingAlone({ ...template, specialTokens }, source).text).toBe(template.text);
  });
});
