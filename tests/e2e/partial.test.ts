/** A part of the model: what is saved, how it opens again, and everything that must not open. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { safetensorsChunks } from '../../src/files/index.ts';
import {
  attune,
  contentsOf,
  errorOf,
  linesOf,
  objectOf,
  readJson,
  temporaryFolder,
  tensorsOf,
  tinyModel,
  train,
  writeRecipe,
} from './attune.ts';
import { reviews, tinyRecipe, twoLabels, writeReviews, writeTexts } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
const lora = { name: 'lora', r: 4, lora_alpha: 8, target_modules: ['query', 'value', 'dense'] };
const python = process.env.ATTUNE_TEST_PYTHON;

interface Answer {
  readonly label: string;
  readonly scores: Readonly<Record<string, number>>;
}

async function predict(target: string): Promise<Answer[]> {
  const finished = await attune(['predict', target, '--input', 'texts.jsonl', '--json'], place);
  if (finished.code !== 0) throw new Error(finished.stdout + finished.stderr);
  return linesOf<Answer>(finished.stdout);
}

/** A copy of the trained adapter with one file changed. */
function copy(name: string, file: string, change: (text: string) => string): string {
  cpSync(join(folder, 'lora/adapter'), join(folder, name), { recursive: true });
  writeFileSync(join(folder, name, file), change(readFileSync(join(folder, name, file), 'utf8')));
  return name;
}

/** The manifest with another base's name. */
const onBase = (name: string) => (text: string) => {
  const manifest = JSON.parse(text) as { base: object };
  return JSON.stringify({ ...manifest, base: { ...manifest.base, name, reference: name } });
};

beforeAll(async () => {
  cpSync(tinyModel, join(folder, 'base'), { recursive: true });
  writeReviews(folder);
  writeTexts(
    folder,
    reviews(20, 500).map(({ text }) => text),
  );
  writeRecipe(folder, tinyRecipe({ model: 'base', method: lora, training: { learning_rate: 0.01 } }));
  await train(['recipe.json', 'output_dir=lora'], place);
  await train(['recipe.json', 'method={name: freeze, trainable: 1}', 'output_dir=frozen'], place);
});

describe('lora', () => {
  it('saves a PEFT folder and no model, and learns', () => {
    expect(readdirSync(join(folder, 'lora')).filter((name) => !name.includes('.'))).toEqual(['adapter', 'checkpoints']);
    expect(readdirSync(join(folder, 'lora/adapter')).sort()).toEqual([
      'adapter_config.json',
      'adapter_model.safetensors',
      'attune.json',
    ]);
    const run = readJson<{ metrics: { accuracy: number }; before: { majority: number } }>(folder, 'lora/run.json');
    expect(run.metrics.accuracy).toBeGreaterThan(run.before.majority + 0.2);
    const names = [...tensorsOf(join(folder, 'lora/adapter/adapter_model.safetensors')).keys()];
    expect(names.every((name) => name.startsWith('base_model.model.'))).toBe(true);
    expect(names.filter((name) => /classifier\.(weight|bias)$/.test(name)).length).toBe(2);
  });

  it('leaves the base as it was, byte for byte', () => {
    expect(contentsOf(join(folder, 'base'))).toEqual(
      new Map(
        [...contentsOf(tinyModel)].map(([path, bytes]) => [path.replace(tinyModel, join(folder, 'base')), bytes]),
      ),
    );
  });

  it('answers from the run and from the adapter alike, as it was evaluated', async () => {
    const answers = await predict('lora');
    expect(await predict('lora/adapter')).toEqual(answers);
    const evaluated = objectOf<{ metrics: object }>(await attune(['eval', 'lora', '--json'], place));
    expect(evaluated.metrics).toEqual(readJson<{ metrics: object }>(folder, 'lora/run.json').metrics);
  });

  it.skipIf(!python)('opens in PEFT with the same scores', async () => {
    const texts = reviews(20, 500).map(({ text }) => text);
    writeFileSync(join(folder, 'input.json'), JSON.stringify({ texts }));
    const opener = join(import.meta.dirname, '../../tools/golden/open_adapter.py');
    const words = [opener, join(folder, 'lora/adapter'), join(folder, 'base'), join(folder, 'input.json')];
    const { logits } = JSON.parse(execFileSync(python!, words, { encoding: 'utf8' })) as { logits: number[][] };
    const names = readJson<{ labels: string[] }>(folder, 'lora/run.json').labels;
    (await predict('lora')).forEach(({ scores }, i) => {
      const total = logits[i]!.reduce((sum, logit) => sum + Math.exp(logit), 0);
      names.forEach((name, at) => {
        expect(Math.abs(scores[name]! - Math.exp(logits[i]![at]!) / total)).toBeLessThan(1e-4);
      });
    });
  });
});

describe('a base in 4 bits', () => {
  it('says before the first step how much of it is', async () => {
    const words = ['method.base_precision=int4', 'max_steps=1', 'output_dir=four-bits'];
    const { code, stderr } = await attune(['train', 'recipe.json', ...words], place);
    expect(code, stderr).toBe(0);
    expect(stderr).toContain('13 of 19 frozen matrices are kept in int4');
  });
});

describe('freeze', () => {
  it('saves the trained tensors alone, and answers as it was evaluated', async () => {
    expect(readdirSync(join(folder, 'frozen/adapter')).sort()).toEqual(['attune.json', 'trained.safetensors']);
    const names = [...tensorsOf(join(folder, 'frozen/adapter/trained.safetensors')).keys()];
    expect(names.some((name) => name.includes('layer.2.'))).toBe(true);
    expect(names.some((name) => name.includes('layer.1.') || name.includes('embeddings'))).toBe(false);
    const evaluated = objectOf<{ metrics: object }>(await attune(['eval', 'frozen', '--json'], place));
    expect(evaluated.metrics).toEqual(readJson<{ metrics: object }>(folder, 'frozen/run.json').metrics);
  });
});

describe('init_from', () => {
  it('goes on from an adapter: the first evaluation is where it stood', async () => {
    const first = readJson<{ metrics: object }>(folder, 'lora/run.json').metrics;
    for (const start of ['lora', 'lora/adapter']) {
      const run = await train(
        ['recipe.json', `init_from=${start}`, 'max_steps=1', `output_dir=from-${start.length}`],
        place,
      );
      const { majority: _, ...before } = run.before;
      expect(before).toEqual(first);
    }
  });

  it('has from the adapter what the recipe does not say of its scale', async () => {
    const first = readJson<{ metrics: object }>(folder, 'lora/run.json').metrics;
    const words = ['recipe.json', 'max_steps=1', 'init_from=lora'];
    const method = 'method={name: lora, target_modules: [query, value, dense]}';
    const run = await train([...words, method, 'output_dir=unsaid'], place);
    const { majority: _, ...before } = run.before;
    expect(before).toEqual(first);
    const { recipe } = readJson<{ recipe: { method: object } }>(folder, 'unsaid/run.json');
    expect(recipe.method).toMatchObject({ r: 4, lora_alpha: 8, use_rslora: false });
    const again = await attune(['train', ...words, method, 'output_dir=unsaid', '--resume', '--json'], place);
    expect(again.code, again.stdout).toBe(0);
  });

  it.each([
    ['lora_alpha', '16', '8'],
    ['use_rslora', 'true', 'false'],
    ['alpha_pattern', '{"query":32}', '{}'],
  ])('refuses another %s than the adapter has', async (field, value, saved) => {
    const words = ['train', 'recipe.json', 'init_from=lora', `method.${field}=${value}`, 'output_dir=scaled', '--json'];
    expect(errorOf(await attune(words, place))).toEqual({
      code: 'CONFIG_INVALID',
      where: `method.${field}`,
      problem: expect.stringContaining(`got ${value}, but the adapter that init_from names`),
      fix: `leave it out, or give ${saved}`,
    });
    expect(existsSync(join(folder, 'scaled'))).toBe(false);
  });

  it('takes the adapter to another task with a new head', async () => {
    writeReviews(join(folder, 'two'), twoLabels);
    const data = 'data={train: two/train.jsonl, validation: two/validation.jsonl, max_length: 32}';
    const run = await train(['recipe.json', data, 'init_from=lora', 'output_dir=transferred'], place);
    expect(run.labels).toEqual(['negative', 'positive']);
    expect(run.metrics.accuracy).toBeGreaterThan(0.9);
  });

  it('names a whole run that it started from as its base, and answers on it', async () => {
    await train(['recipe.json', 'method=full', 'learning_rate=0.003', 'output_dir=whole'], place);
    const run = await train(['recipe.json', 'init_from=whole', 'max_steps=2', 'output_dir=beside-whole'], place);
    const manifest = readJson<{ base: { name: string } }>(folder, 'beside-whole/adapter/attune.json');
    expect(manifest.base.name).toBe(join(folder, 'whole/model'));
    const evaluated = objectOf<{ metrics: object }>(await attune(['eval', 'beside-whole', '--json'], place));
    expect(evaluated.metrics).toEqual(run.metrics);
  });

  it.each([
    [
      'modules_to_save',
      '[word_embeddings]',
      'word_embeddings.weight',
      'modules_to_save: [bert.embeddings.word_embeddings]',
    ],
    ['bias', 'all', '.bias', 'method.bias as the adapter has it'],
  ])('refuses what the adapter has by %s and the run would lose, and goes on where it says so too', async (...of) => {
    const [field, value, tensor, fix] = of;
    const said = `method.${field}=${value}`;
    const first = await train(['recipe.json', 'max_steps=8', said, `output_dir=${field}`], place);
    const words = ['recipe.json', `init_from=${field}`, 'max_steps=1'];
    const finished = await attune(['train', ...words, `output_dir=${field}-lost`, '--json'], place);
    expect(errorOf(finished)).toMatchObject({
      code: 'CONFIG_INVALID',
      where: 'init_from',
      problem: expect.stringContaining(tensor),
      fix: expect.stringContaining(fix),
    });
    expect(existsSync(join(folder, `${field}-lost`))).toBe(false);
    const { before } = await train([...words, said, `output_dir=${field}-again`], place);
    const { majority: _, ...metrics } = before;
    expect(metrics).toEqual(first.metrics);
    await predict(`${field}-again`);
  });

  it('takes an adapter with a copy of what the base has', async () => {
    cpSync(join(folder, 'lora/adapter'), join(folder, 'copies'), { recursive: true });
    const weights = join(folder, 'copies/adapter_model.safetensors');
    const name = 'bert.pooler.dense.bias';
    const data = tensorsOf(join(folder, 'base/model.safetensors')).get(name)!;
    const copied = { name: `base_model.model.${name}`, dtype: 'float32' as const, shape: [data.length], data };
    const shapes = readJson<{ tensors: Record<string, number[]> }>(folder, 'lora/adapter/attune.json').tensors;
    const kept = [...tensorsOf(weights)].map(([stored, values]) => {
      const shape = shapes[stored.replace('base_model.model.', '').replace('.base_layer.', '.')]!;
      return { name: stored, dtype: 'float32' as const, shape, data: values };
    });
    writeFileSync(weights, Buffer.concat([...safetensorsChunks([...kept, copied])]));
    await train(['recipe.json', 'init_from=copies', 'max_steps=1', 'output_dir=from-copies'], place);
    await predict('from-copies');
  });

  it('refuses an adapter of another shape', async () => {
    const words = ['train', 'recipe.json', 'init_from=lora', 'method.r=2', 'output_dir=narrow', '--json'];
    const finished = await attune(words, place);
    expect(finished.code).toBe(2);
    expect(errorOf(finished)).toMatchObject({
      code: 'ADAPTER_MISMATCH',
      problem: expect.stringMatching(/\[4, 32\].*\[2, 32\]/),
    });
    expect(existsSync(join(folder, 'narrow'))).toBe(false);
  });
});

describe('an adapter that does not belong', () => {
  const refused = async (target: string) => {
    const finished = await attune(['predict', target, 'good', '--json'], place);
    expect(finished.code).toBe(2);
    return errorOf(finished);
  };
  const otherBase = (name: string, file: string, change: (text: string) => string): string => {
    cpSync(join(folder, 'base'), join(folder, name), { recursive: true });
    writeFileSync(join(folder, name, file), change(readFileSync(join(folder, name, file), 'utf8')));
    return copy(`on-${name}`, 'attune.json', onBase(name));
  };

  it('is refused on a base with another config', async () => {
    const adapter = otherBase('other-config', 'config.json', (text) => text.replace('"gelu"', '"relu"'));
    expect(await refused(adapter)).toMatchObject({
      code: 'BASE_MISMATCH',
      problem: expect.stringMatching(/config\.json/),
    });
  });

  it('is refused on a base with another tokenizer', async () => {
    const adapter = otherBase('other-words', 'tokenizer.json', (text) => text.replace('"good"', '"goood"'));
    expect(await refused(adapter)).toMatchObject({
      code: 'BASE_MISMATCH',
      problem: expect.stringMatching(/tokenizer\.json/),
    });
  });

  it('is refused on a base with other weights: it answers otherwise', async () => {
    cpSync(join(folder, 'base'), join(folder, 'moved'), { recursive: true });
    const weights = join(folder, 'moved/model.safetensors');
    const bytes = readFileSync(weights);
    const floats = new Float32Array(bytes.buffer, bytes.byteOffset + bytes.length - 4000, 900);
    for (let i = 0; i < floats.length; i++) floats[i]! *= 1.5;
    writeFileSync(weights, bytes);
    const adapter = copy('on-moved', 'attune.json', onBase('moved'));
    expect(await refused(adapter)).toMatchObject({
      code: 'ADAPTER_MISMATCH',
      problem: expect.stringMatching(/does not answer/),
    });
  });

  it('is refused when its rank is not that of its tensors', async () => {
    const adapter = copy('rank', 'adapter_config.json', (text) => text.replace('"r": 4', '"r": 2'));
    expect(await refused(adapter)).toMatchObject({ code: 'ADAPTER_MISMATCH' });
  });

  it('is refused when it has tensors that the model has no place for', async () => {
    const adapter = copy('targets', 'adapter_config.json', (text) => text.replace('"value"', '"key"'));
    expect(await refused(adapter)).toMatchObject({
      code: 'ADAPTER_MISMATCH',
      problem: expect.stringMatching(/nearest/),
    });
  });

  it.each([
    ['lora_bias', 'true'],
    ['init_lora_weights', '"loftq"'],
  ])('is refused when PEFT would compute something else: %s', async (field, value) => {
    const adapter = copy(field, 'adapter_config.json', (text) =>
      text.replace(new RegExp(`"${field}": (true|false)`), `"${field}": ${value}`),
    );
    expect(await refused(adapter)).toMatchObject({
      code: 'ADAPTER_UNSUPPORTED',
      problem: expect.stringContaining(field),
    });
  });

  it.each([
    ['r', '4', '0', /^r: got 0; Too small/, /^write there the number that it was trained with/],
    ['lora_alpha', '8', '-8', /^lora_alpha: got -8; Too small/, /^write there the number that it was trained with/],
    ['r', '4', '"8"', /^r: got "8"; Invalid input/, /^write there the value that it was trained with/],
    ['layers_to_transform', 'null', '["0"]', /^layers_to_transform: got \["0"\]; /, /^write there the value/],
    ['layers_pattern', 'null', '"h"', /^layers_pattern is "h"/, /write the numbers of the layers there/],
    ['lora_bias', 'false', 'true', /^lora_bias is true/, /merge it with PEFT \(merge_and_unload\)/],
    ['peft_type', '"LORA"', '"LOHA"', /^peft_type is "LOHA"/, /opens adapters of these types.*LORA/],
    ['init_lora_weights', 'true', '"pissa"', /"pissa"/, /path_initial_model_for_weight_conversion/],
  ])('is refused by %s with what helps there', async (field, from, to, problem, fix) => {
    const name = `odd-${field}-${to.replaceAll(/\W/g, '')}`;
    const adapter = copy(name, 'adapter_config.json', (text) =>
      text.replace(`"${field}": ${from}`, `"${field}": ${to}`),
    );
    expect(await refused(adapter)).toMatchObject({
      code: 'ADAPTER_UNSUPPORTED',
      where: join(adapter, 'adapter_config.json'),
      problem: expect.stringMatching(problem),
      fix: expect.stringMatching(fix),
    });
  });

  it.each(['attune.json', 'adapter_config.json'])('names the file that names no base: %s', async (file) => {
    const adapter = copy(`lost-${file}`, file, (text) =>
      text.replaceAll(/"(reference|base_model_name_or_path)": ".*"/g, '"$1": "../../etc"'),
    );
    if (file === 'adapter_config.json') rmSync(join(folder, adapter, 'attune.json'));
    expect(await refused(adapter)).toMatchObject({
      where: join(adapter, file),
      problem: expect.stringContaining('it names the base "../../etc": '),
    });
  });

  it('is refused when its file is cut short', async () => {
    const adapter = copy('short', 'attune.json', (text) => text);
    const file = join(folder, adapter, 'adapter_model.safetensors');
    writeFileSync(file, readFileSync(file).subarray(0, -8));
    expect(await refused(adapter)).toMatchObject({ code: 'SAFETENSORS_CORRUPT' });
  });
});

describe('wishes that choose nothing', () => {
  it.each([
    ['method={name: lora, r: 0}', /method\.r/, /got 0/],
    ['method={name: lora, r: -3}', /method\.r/, /got -3/],
    ['method={name: lora, target_modules: [qurey]}', /target_modules/, /'qurey' matches nothing/],
    ['method={name: lora, modules_to_save: [poler]}', /modules_to_save/, /'poler' matches nothing/],
    ['method={name: lora, rank_pattern: {key: 2}}', /rank_pattern/, /'key' matches nothing/],
    ['method={name: lora, init: loftq}', /method\.init/, /is not rounded/],
    ['method={name: lora, init: olora, r: 64}', /method\.r/, /directions of .*query, which has 32, and the rank is 64/],
    ['method={name: full, unfreeze_schedule: 3}', /unfreeze_schedule/, /would open after the last epoch/],
    ['training.parameter_groups=[{pattern: qurey, weight_decay: 0}]', /groups\[0\]\.pattern/, /'qurey' fits nothing/],
    ['method={name: adalora, target_r: 20}', /target_r/, /init_r only 12/],
    ['method={name: freeze, trainable: 9}', /trainable/, /9 layers/],
    ['method={name: freeze, trainable: 3, base_precision: int8}', /base_precision/, /no matrix would be kept in int8/],
    ['method={name: freeze, trainable: {layers: "1,7"}}', /layers/, /no layer 7/],
    ['method={name: freeze, trainable: {patterns: [nothing]}}', /patterns/, /'nothing' matches nothing/],
    ['method={name: freeze, trainable: {layers: "0", head: false}} ', /head/, /frozen/],
  ])('are refused: %s', async (method, where, problem) => {
    writeReviews(join(folder, 'three'), { bad: 'bad', good: 'good', plot: 'plot' });
    const data = 'data={train: three/train.jsonl, validation: three/validation.jsonl, max_length: 32}';
    const finished = await attune(['train', 'recipe.json', data, method, 'output_dir=refused', '--json'], place);
    expect(finished.code).toBe(2);
    const error = errorOf(finished);
    expect(error.code).toBe('CONFIG_INVALID');
    expect(error.where).toMatch(where);
    expect(error.problem).toMatch(problem);
    expect(existsSync(join(folder, 'refused'))).toBe(false);
  });

  it('are answered with what there is to choose from', async () => {
    const words = ['train', 'recipe.json', 'method={name: lora, target_modules: [qurey]}', 'output_dir=refused'];
    const { fix } = errorOf(await attune([...words, '--json'], place));
    for (const layer of ['self.query', 'self.value', 'output.dense', 'bert.pooler.dense']) expect(fix).toContain(layer);
  });
});
