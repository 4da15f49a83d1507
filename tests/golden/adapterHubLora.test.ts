/** LoRA leaves as a folder of AdapterHub's library, and what it cannot hold is refused. */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openClassifier } from '../../src/inference/classifier.node.ts';
import { exportTarget } from '../../src/recipes/export/index.ts';
import { openTarget } from '../../src/recipes/target.node.ts';
import { folderOf, withoutPadding } from './decoderModels.ts';
import { goldenFolder, readTensors, relativeError } from './fixtures.ts';
import { adaptersPython, answersHere, answersThere } from './hubFolders.ts';

const out = mkdtempSync(join(tmpdir(), 'attune-hub-lora-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));
const { signal } = new AbortController();

const exported = async (from: string, name: string): Promise<string> => {
  const output = join(out, name);
  await exportTarget(from, { form: 'adapterhub', output, precisions: [], signal });
  return output;
};
const configOf = (folder: string) => JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'));

/** An adapter beside a base of its own: the tiny decoders have no tokenizer, without which no model opens. */
function besideBase(family: string, adapter: string): string {
  const base = join(out, `${family}-base`);
  cpSync(folderOf(family), base, { recursive: true });
  for (const file of ['tokenizer.json', 'tokenizer_config.json']) {
    cpSync(join(goldenFolder, 'bert-tiny/model', file), join(base, file));
  }
  const folder = mkdtempSync(join(out, 'adapter-'));
  cpSync(adapter, folder, { recursive: true });
  const config = configOf(folder);
  const name = 'config' in config ? { model_name: base } : { base_model_name_or_path: base };
  writeFileSync(join(folder, 'adapter_config.json'), JSON.stringify({ ...config, ...name }));
  return folder;
}

describe.each([
  ['llama', ['q', 'v']],
  ['gpt2', ['q', 'k', 'v']],
])('of PEFT over %s', (family, letters) => {
  let folder: string;
  const wanted = async () => {
    const logits = (await readTensors(`decoders/${family}/lora.safetensors`)).get('logits')!.data;
    return withoutPadding(logits, await readTensors(`decoders/${family}/step0.safetensors`));
  };
  beforeAll(async () => {
    folder = await exported(besideBase(family, folderOf(family, 'lora')), family);
  });

  test('becomes a folder that answers the same', async () => {
    expect(configOf(folder)).toMatchObject({
      model_type: family,
      config: { architecture: 'lora', r: 4, alpha: 8, attn_matrices: letters, leave_out: [] },
    });
    expect(relativeError(await answersHere(folder, family), await wanted())).toBeLessThan(1e-5);
  });

  test.skipIf(!adaptersPython)('opens in the library with the same scores', async () => {
    expect(relativeError(await answersThere(folder, family), await wanted())).toBeLessThan(1e-4);
  });
});

const tiny = (place: string): string => join(goldenFolder, place, 'adapter');

test('of a classifier leaves with its head and its labels', async () => {
  const scores = async (reference: string) => {
    await using model = await openClassifier((await openTarget(reference, signal)).artifact, {
      threads: 1,
      batchSize: 1,
    });
    return [model.labels, await model.predict([{ text: 'good film' }, { text: 'bad plot' }])];
  };
  const folder = await exported(tiny('lora-tiny/plain'), 'classifier');
  expect(await scores(folder)).toEqual(await scores(tiny('lora-tiny/plain')));
  expect(JSON.parse(readFileSync(join(folder, 'head_config.json'), 'utf8'))).toMatchObject({
    label2id: { negative: 0, neutral: 1, positive: 2 },
    model_class: 'BertForSequenceClassification',
  });
});

test('a folder of the library leaves as it is, beside the whole path of its base', async () => {
  const from = besideBase('gpt2', join(goldenFolder, 'adapterhub-decoders/gpt2/parallel/adapter'));
  const folder = await exported(from, 'copied');
  expect(configOf(folder)).toEqual(configOf(from));
  // The library takes a scaling without a decimal point for no number.
  expect(readFileSync(join(folder, 'adapter_config.json'), 'utf8')).toContain('"scaling": 4.0');
  const bytes = (at: string) => readFileSync(join(at, 'adapter.safetensors'));
  expect(bytes(folder).equals(bytes(from))).toBe(true);
});

test.each([
  ['lora-tiny/patterns', 'one rank and one scale'],
  ['lora-tiny/all_linear', 'attention.output.dense'],
  ['lora-tiny/bias_all', '.bias'],
  ['peft-tiny/dora', "'dora'"],
  ['peft-tiny/prompt_tuning', "'prompt_tuning'"],
])('%s is refused: %s', async (place, reason) => {
  await expect(exported(tiny(place), place.replace('/', '-'))).rejects.toMatchObject({
    code: 'EXPORT_UNSUPPORTED',
    problem: expect.stringContaining(reason),
  });
});

test('of two ranks in GPT-2 is refused by the layer', async () => {
  const from = besideBase('gpt2', join(goldenFolder, 'adapterhub-decoders/gpt2/lora/adapter'));
  const peft = join(out, 'two-ranks');
  await exportTarget(from, { form: 'peft', output: peft, precisions: [], signal });
  expect(relativeError(await answersHere(peft, 'gpt2'), await answersHere(from, 'gpt2'))).toBeLessThan(1e-6);
  await expect(exported(peft, 'two-ranks-hub')).rejects.toMatchObject({
    code: 'EXPORT_UNSUPPORTED',
    problem: expect.stringContaining('transformer.h.0.'),
  });
});
