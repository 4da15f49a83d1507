/** What a language model is asked, as tokens. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openTarget } from '../target.node.ts';
import { openPrompter } from './prompter.node.ts';

const model = join(import.meta.dirname, '../../../tests/golden/sft/model');
const folder = mkdtempSync(join(tmpdir(), 'attune-prompter-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('answers end where the adapter says, too: at the eos_token of its tokenizer, and what its own files name', async () => {
  const adapter = join(folder, 'adapter');
  cpSync(join(model, '../start'), adapter, { recursive: true });
  const endsBeside = async (files: Readonly<Record<string, object>>): Promise<readonly number[]> => {
    for (const [name, fields] of Object.entries(files)) writeFileSync(join(adapter, name), JSON.stringify(fields));
    const target = await openTarget(adapter, new AbortController().signal);
    return (await openPrompter(target, { reference: 'adapter' })).endIds;
  };
  const config = JSON.parse(readFileSync(join(adapter, 'adapter_config.json'), 'utf8')) as object;
  const ends = await endsBeside({ 'adapter_config.json': { ...config, base_model_name_or_path: model } });
  const [start, other] = [382, 5];
  expect(ends).not.toContain(start);
  expect(await endsBeside({ 'generation_config.json': { eos_token_id: other } })).toEqual([...ends, other]);
  const naming = { chat_template: '{{ eos_token }}', eos_token: '<|im_start|>' };
  expect(await endsBeside({ 'tokenizer_config.json': naming })).toEqual([...ends, other, start]);
});

/** The same model with a tokenizer that begins every text with <bos>, which its template writes too. */
function withBos(): string {
  cpSync(model, folder, { recursive: true });
  const change = (name: string, fields: (old: string) => object | string): void => {
    const made = fields(readFileSync(join(folder, name), 'utf8'));
    writeFileSync(join(folder, name), typeof made === 'string' ? made : JSON.stringify(made));
  };
  const token = { SpecialToken: { id: '<bos>', type_id: 0 } };
  const text = { Sequence: { id: 'A', type_id: 0 } };
  change('tokenizer.json', (old) => ({
    ...(JSON.parse(old) as object),
    post_processor: {
      ...{
        type: 'TemplateProcessing',
        single: [token, text],
        pair: [token, text, { Sequence: { id: 'B', type_id: 0 } }],
      },
      special_tokens: { '<bos>': { id: '<bos>', ids: [389], tokens: ['<bos>'] } },
    },
  }));
  change('tokenizer_config.json', (old) => ({ ...(JSON.parse(old) as object), bos_token: '<bos>' }));
  change('chat_template.jinja', (old) => `{{ bos_token }}${old}`);
  return folder;
}

test('a text that begins with the token that begins texts is read with one of them', async () => {
  const target = await openTarget(withBos(), new AbortController().signal);
  const prompter = await openPrompter(target, { reference: 'model' });
  const { tokenizer } = prompter.source;
  const asked = { messages: [{ role: 'user', content: 'Who are you?' } as const], where: 'it' };
  const conversation = await prompter.conversation(asked);
  expect(conversation.slice(0, 2)).toEqual([389, 382]);
  // As predictions.jsonl writes what was asked.
  expect(prompter.text(tokenizer.decode(conversation))).toEqual(conversation);
  expect(prompter.text('Who')).toEqual([389, ...tokenizer.ids('Who')]);
});
