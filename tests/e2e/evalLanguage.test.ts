/** Measuring a language model on rows: which are read first, and what of them is measured is told. */
import { execFileSync } from 'node:child_process';
import { cpSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import {
  attune,
  distFolder,
  errorOf,
  objectOf,
  readJson,
  temporaryFolder,
  tinyModel,
  train,
  writeRecipe,
} from './attune.ts';
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

it('rows that are cut or left out are counted', async () => {
  const short = { messages: [user('a'), answer('b')] };
  const cut = { messages: [user('a'), answer('the weather '.repeat(80))] };
  const emptied = { messages: [user('the weather '.repeat(80)), answer('b')] };
  writeRows(folder, 'short.jsonl', [short]);
  writeRows(folder, 'cut.jsonl', [short, cut, cut]);
  writeRows(folder, 'emptied.jsonl', [short, cut, emptied]);
  writeRows(folder, 'nothing.jsonl', [emptied, emptied]);
  const measure = async (target: string, data: string, ...words: string[]) =>
    await attune(['eval', target, '--data', data, ...words], place);
  expect(objectOf(await measure(model, 'cut.jsonl', '--json'))).toMatchObject({
    examples: 3,
    truncated: 2,
    dropped: 0,
  });
  const shown = (await measure(model, 'cut.jsonl')).stdout;
  expect(shown).toMatch(/^cut to 160 tokens +2$/m);
  expect(shown).not.toContain('dropped');
  expect((await measure(model, 'short.jsonl')).stdout).not.toContain('cut');
  writeRecipe(folder, {
    ...{ model, task: 'sft', threads: 1, output_dir: 'dropping' },
    data: { train: 'short.jsonl', validation_split: 0, max_length: 64, on_empty_labels: 'drop' },
    training: { max_steps: 1 },
  });
  await train(['recipe.json'], place);
  const found = await measure('dropping', 'emptied.jsonl', '--json');
  expect(objectOf(found)).toMatchObject({ examples: 2, truncated: 1, dropped: 1 });
  expect((await measure('dropping', 'emptied.jsonl')).stdout).toMatch(/^cut to 64 tokens +1\ndropped +1$/m);
  expect(errorOf(await measure('dropping', 'nothing.jsonl', '--json')).code).toBe('DATA_NO_LABELS');
});

it('texts of a classifier that are cut are counted', async () => {
  const text = 'the film '.repeat(60);
  writeRows(folder, 'labelled.jsonl', [
    { text, label: 'positive' },
    { text: 'good', label: 'positive' },
  ]);
  const found = objectOf(await attune(['eval', tinyModel, '--data', 'labelled.jsonl', '--json'], place));
  expect(found).toMatchObject({ examples: 2, truncated: 1, dropped: 0 });
});

it('a long row does not fill the memory with the weights of all its keys', { timeout: 120_000 }, async () => {
  const long = join(folder, 'long');
  cpSync(model, long, { recursive: true });
  const config = readJson(long, 'config.json');
  writeFileSync(join(long, 'config.json'), JSON.stringify({ ...config, max_position_embeddings: 4096 }));
  writeFileSync(join(long, 'attune.json'), JSON.stringify({ format: 1, kind: 'model', max_length: 4096 }));
  writeRows(folder, 'long.jsonl', [{ messages: [user('a'), answer('the weather '.repeat(4000))] }]);
  // In a process of its own: a peak never falls.
  const script = `import { evaluate } from ${JSON.stringify(join(distFolder, 'index.js'))};
    const found = await evaluate('long', { data: 'long.jsonl' });
    console.log(JSON.stringify({ ...found, bytes: process.resourceUsage().maxRSS * 1024 }));`;
  const printed = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { cwd: folder });
  const { bytes, truncated } = JSON.parse(printed.toString()) as { bytes: number; truncated: number };
  expect(truncated).toBe(1);
  // With all of them at once it was 1.2 GB.
  expect(bytes).toBeLessThan(8e8);
});
