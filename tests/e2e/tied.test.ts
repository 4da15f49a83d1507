/** A language model whose head is its embedding, which is trained whole beside LoRA. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { safetensorsChunks } from '../../src/files/index.ts';
import { readTensors } from '../golden/fixtures.ts';
import { assistantFolder, assistantRecipe } from './assistant.ts';
import { attune, errorOf, objectOf, readJson, temporaryFolder, train, writeRecipe } from './attune.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
const python = process.env.ATTUNE_TEST_PYTHON;
if (!python) console.warn('SKIPPED: tied embeddings in PEFT (set ATTUNE_TEST_PYTHON to a python that has it)');
const method = { name: 'lora', r: 2, target_modules: ['q_proj'], modules_to_save: ['embed_tokens'] };
const tied = `method=${JSON.stringify({ ...method, ensure_weight_tying: true })}`;
const data = join(assistantFolder, 'train.jsonl');
const weights = 'adapter_model.safetensors';
const [head, table] = ['lm_head', 'model.embed_tokens'].map((name) => `base_model.model.${name}.weight`) as [
  string,
  string,
];

const loss = async (target: string): Promise<number> =>
  objectOf<{ metrics: { loss: number } }>(await attune(['eval', target, '--data', data, '--json'], place)).metrics.loss;

beforeAll(async () => {
  const training = { max_steps: 6, per_device_train_batch_size: 8, learning_rate: 2e-2, save_strategy: 'no' };
  writeRecipe(folder, { ...assistantRecipe, training });
  await train(['recipe.json', tied, 'output_dir=tied'], place);
});

it('is refused unless it is tied, before a folder is made', async () => {
  const words = ['train', 'recipe.json', `method=${JSON.stringify(method)}`, 'output_dir=no', '--json'];
  expect(errorOf(await attune(words, place))).toMatchObject({
    code: 'CONFIG_INVALID',
    where: 'method.modules_to_save',
    fix: expect.stringContaining('ensure_weight_tying: true'),
  });
  expect(existsSync(join(folder, 'no'))).toBe(false);
});

it('is saved for PEFT under both of its names', async () => {
  const config = readJson<object>(folder, 'tied/adapter/adapter_config.json');
  expect(config).toMatchObject({ modules_to_save: ['embed_tokens'], ensure_weight_tying: true });
  const saved = await readTensors(join(folder, 'tied/adapter', weights));
  expect(saved.get(head)).toEqual(saved.get(table));
  const base = await readTensors(join(assistantFolder, 'model/model.safetensors'));
  expect(saved.get(table)!.data).not.toEqual(base.get('model.embed_tokens.weight')!.data);
});

it('answers from its folder, with or without the copy, and merged; and a run goes on from it', async () => {
  const wanted = await loss('tied');
  cpSync(join(folder, 'tied/adapter'), join(folder, 'single'), { recursive: true });
  await rewrite('single', (name) => name !== head);
  expect(await loss('single')).toBe(wanted);
  const merged = await attune(['merge', 'tied', '--output', 'whole', '--json'], place);
  expect(merged.code, merged.stdout).toBe(0);
  expect(await loss('whole')).toBeCloseTo(wanted, 5);
  const measured = `data=${JSON.stringify({ ...assistantRecipe.data, validation: data, validation_split: undefined })}`;
  const { before } = await train(['recipe.json', tied, measured, 'init_from=tied', 'output_dir=on'], place);
  expect(before['loss']).toBeCloseTo(wanted, 5);
});

it.skipIf(!python)('opens in PEFT with every tensor, and the same loss', async () => {
  const { rows } = readJson<{ rows: object[] }>(assistantFolder, 'golden.json');
  writeFileSync(join(folder, 'rows.json'), JSON.stringify({ rows }));
  const opener = join(import.meta.dirname, '../../tools/golden/open_causal.py');
  const words = [opener, join(folder, 'tied/adapter'), assistantRecipe.model, join(folder, 'rows.json')];
  const found = JSON.parse(execFileSync(python!, words, { encoding: 'utf8' }));
  expect(found).toMatchObject({ loading: [], loss: expect.closeTo(await loss('tied'), 4) });
});

/** Some tensors of an adapter, and other values of some. */
async function rewrite(name: string, isKept: (tensor: string) => boolean, factors: Record<string, number> = {}) {
  const path = join(folder, name, weights);
  const kept = [...(await readTensors(path))].filter(([tensor]) => isKept(tensor));
  const tensors = kept.map(([tensor, { shape, data }]) => {
    const factor = factors[tensor] ?? 1;
    return { name: tensor, dtype: 'float32' as const, shape, data: data.map((value) => value * factor) };
  });
  writeFileSync(path, Buffer.concat([...safetensorsChunks(tensors)]));
}

describe('a folder of PEFT is refused', () => {
  const copy = (name: string, fields: object): string => {
    cpSync(join(folder, 'tied/adapter'), join(folder, name), { recursive: true });
    rmSync(join(folder, name, 'attune.json'));
    const config = readJson<object>(folder, name, 'adapter_config.json');
    const changed = { ...config, base_model_name_or_path: assistantRecipe.model, ...fields };
    writeFileSync(join(folder, name, 'adapter_config.json'), JSON.stringify(changed));
    return name;
  };
  const refused = async (name: string) => errorOf(await attune(['eval', name, '--data', data, '--json'], place));

  it.each([
    ['where it did not tie', { ensure_weight_tying: false }, "'embed_tokens' is named"],
    ['where older versions could not', { ensure_weight_tying: undefined }, "'embed_tokens' is named"],
    [
      'where it trained two',
      { ensure_weight_tying: false, modules_to_save: ['embed_tokens', 'lm_head'] },
      "'embed_tokens' is named",
    ],
    [
      'where its name for embeddings is not among the names',
      { modules_to_save: ['model'] },
      "'model' is named, which holds 'model.embed_tokens'",
    ],
  ])('%s', async (name, fields, problem) => {
    expect(await refused(copy(name.replaceAll(' ', '-'), fields))).toMatchObject({
      code: 'ADAPTER_UNSUPPORTED',
      where: expect.stringContaining(name.replaceAll(' ', '-')),
      problem: expect.stringContaining(problem),
      fix: expect.stringContaining("write that and 'lm_head' beside it in adapter_config.json"),
    });
  });

  it('where a LoRA of the embedding was tied', async () => {
    const fields = { modules_to_save: null, target_modules: ['q_proj', 'embed_tokens'] };
    expect(await refused(copy('tied-addition', fields))).toMatchObject({
      code: 'ADAPTER_UNSUPPORTED',
      fix: expect.stringContaining('merge_and_unload'),
    });
  });

  it('where its two copies differ', async () => {
    const name = copy('differing', {});
    await rewrite(name, () => true, { [head]: 1.01 });
    expect(await refused(name)).toMatchObject({
      code: 'ADAPTER_MISMATCH',
      problem: expect.stringContaining("no place for its tensor 'lm_head.weight'"),
    });
  });

  it('where a run would take it for one matrix', async () => {
    const name = copy('start-untied', { ensure_weight_tying: false });
    const words = ['train', 'recipe.json', tied, `init_from=${name}`, 'output_dir=no', '--json'];
    expect(errorOf(await attune(words, place))).toMatchObject({ code: 'ADAPTER_MISMATCH', where: name });
  });
});
