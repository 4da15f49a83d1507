/** Weighted sums of adapters: `attune merge a=0.7 b=0.3` leaves an adapter, here and in PEFT. */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { relativeError } from '../golden/fixtures.ts';
import { assistantFolder, assistantRecipe } from './assistant.ts';
import {
  attune,
  distFolder,
  errorOf,
  objectOf,
  readJson,
  temporaryFolder,
  tensorsOf,
  train,
  writeRecipe,
} from './attune.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

const { combineAdapters, load } = (await import(
  pathToFileURL(join(distFolder, 'index.js')).href
)) as typeof import('../../src/index.ts');
const folder = temporaryFolder();
const place = { cwd: folder };

interface Summed {
  readonly path: string;
  readonly files: readonly string[];
  readonly combination: string;
  readonly rank: number;
}

beforeAll(async () => {
  cpSync(join(assistantFolder, 'model'), join(folder, 'base'), { recursive: true });
  const training = { max_steps: 8, per_device_train_batch_size: 8, learning_rate: 3e-2, save_strategy: 'no' };
  writeRecipe(folder, { ...assistantRecipe, model: 'base', training });
  const of = (method: object, ...words: string[]) =>
    train(['recipe.json', `method=${JSON.stringify(method)}`, ...words], place);
  await of({ name: 'lora', r: 4, target_modules: ['q_proj', 'v_proj'] }, 'output_dir=a');
  await of({ name: 'lora', r: 3, target_modules: 'all-linear', use_rslora: true }, 'seed=7', 'output_dir=b');
  await of({ name: 'lora', r: 2, init: 'pissa' }, 'output_dir=started');
  await of({ name: 'dora', r: 2 }, 'output_dir=dora');
});

const sum = async (...words: string[]): Promise<Summed> => {
  const finished = await attune(['merge', ...words, '--json'], place);
  expect(finished.code, finished.stdout).toBe(0);
  return objectOf<Summed>(finished);
};
const weightsOf = async (target: string) => {
  const output = `whole-${target.replaceAll('/', '-')}`;
  expect((await attune(['merge', target, '--output', output], place)).code).toBe(0);
  return tensorsOf(join(folder, output, 'model.safetensors'));
};

describe('attune merge a=0.7 b=-0.3', () => {
  beforeAll(async () => {
    const { files, combination, rank } = await sum('a=0.7', 'b=-0.3', '--output', 'sum');
    expect([combination, rank]).toEqual(['cat', 7]);
    expect(files).toEqual(['adapter_config.json', 'adapter_model.safetensors', 'attune.json', 'chat_template.jinja']);
  });

  it('is the sum: merged, its weights are the base and so much of each', async () => {
    const base = tensorsOf(join(folder, 'base/model.safetensors'));
    const [a, b, both] = await Promise.all(['a', 'b', 'sum'].map(weightsOf));
    let moved = 0;
    for (const [name, values] of both!) {
      const before = base.get(name)!;
      const wanted = before.map(
        (value, i) => value + 0.7 * (a!.get(name)![i]! - value) - 0.3 * (b!.get(name)![i]! - value),
      );
      expect(relativeError(values, wanted), name).toBeLessThan(1e-6);
      if (relativeError(values, before) > 1e-3) moved++;
    }
    expect(moved).toBeGreaterThan(10);
  });

  it('names its base, and the layers of both', () => {
    const config = readJson<Record<string, unknown>>(folder, 'sum/adapter_config.json');
    expect(config).toMatchObject({
      peft_type: 'LORA',
      base_model_name_or_path: join(folder, 'base'),
      r: 7,
      lora_alpha: 7,
      use_rslora: false,
      task_type: 'CAUSAL_LM',
    });
    expect(config['target_modules']).toContain('model.layers.1.mlp.down_proj');
  });

  it('answers beside what it was made of, and on its own', async () => {
    await using many = await load(join(folder, 'base')).with(join(folder, 'a'), join(folder, 'sum'));
    const [answer] = await many.generate(['Who are you?'], { adapter: 'sum', max_new_tokens: 8 });
    const words = ['generate', 'sum', '--prompt', 'Who are you?', '--max-new-tokens', '8', '--json'];
    expect(objectOf<{ text: string }>(await attune(words, place)).text).toBe(answer!.text);
  });
});

it('from TypeScript, by its nearest adapter of a rank', async () => {
  const weights = { [join(folder, 'a')]: 1, [join(folder, 'b')]: 1 };
  const made = await combineAdapters(weights, { output: join(folder, 'near'), combination: 'svd', rank: 2 });
  expect(made).toEqual({ path: join(folder, 'near'), combination: 'svd', rank: 2 });
  const shapes = readJson<{ tensors: Record<string, number[]> }>(folder, 'near/attune.json').tensors;
  expect(
    Object.entries(shapes)
      .filter(([name]) => name.endsWith('lora_A.weight'))
      .every(([, [rank]]) => rank === 2),
  ).toBe(true);
  const refused = (weight: number, how: object) =>
    combineAdapters({ [join(folder, 'a')]: weight }, { output: 'no', ...how });
  await expect(refused(Number.NaN, {})).rejects.toMatchObject({ code: 'CONFIG_INVALID', where: join(folder, 'a') });
  await expect(refused(1, { combination: 'ties' })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    where: 'combination',
  });
  await expect(refused(1, { combination: 'svd', rank: 0.5 })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    where: 'rank',
  });
});

it('an adapter that starts in the weights is added as what it came to', async () => {
  await sum('started=1', '--output', 'once');
  const [before, after] = await Promise.all(['started', 'once'].map(weightsOf));
  for (const [name, values] of after!) expect(relativeError(values, before!.get(name)!), name).toBeLessThan(1e-6);
});

const python = process.env.ATTUNE_TEST_PYTHON;
if (!python) console.warn('SKIPPED: sums of adapters in PEFT (set ATTUNE_TEST_PYTHON)');
it.skipIf(!python)('PEFT opens a sum with every tensor, and finds the same loss', async () => {
  const { rows } = readJson<{ rows: object[] }>(assistantFolder, 'golden.json');
  writeFileSync(join(folder, 'rows.json'), JSON.stringify({ rows, chats: [] }));
  const opener = join(import.meta.dirname, '../../tools/golden/open_causal.py');
  const words = [opener, join(folder, 'sum'), join(folder, 'base'), join(folder, 'rows.json')];
  const found = JSON.parse(execFileSync(python!, words, { encoding: 'utf8' }));
  expect(found.loading).toEqual([]);
  const words2 = ['eval', 'sum', '--data', join(assistantFolder, 'train.jsonl'), '--json'];
  const { metrics } = objectOf<{ metrics: { loss: number } }>(await attune(words2, place));
  expect(Math.abs(found.loss - metrics.loss)).toBeLessThan(1e-4);
});

describe('refuses', () => {
  const refused = async (...words: string[]) => {
    const finished = await attune(['merge', ...words, '--output', 'no', '--json'], place);
    expect([finished.code, existsSync(join(folder, 'no'))]).toEqual([2, false]);
    return errorOf(finished);
  };

  it('other kinds of adapters, whole models, and a chat template of another', async () => {
    expect(await refused('a=1', 'dora=1')).toMatchObject({ code: 'ADAPTER_SUM', where: 'dora' });
    expect(await refused('base=1', 'a=1')).toMatchObject({
      code: 'ADAPTER_SUM',
      problem: 'it is a whole model, not an adapter',
    });
    cpSync(join(folder, 'a/adapter'), join(folder, 'other'), { recursive: true });
    const manifest = readJson<{ chat: object }>(folder, 'other/attune.json');
    writeFileSync(
      join(folder, 'other/attune.json'),
      JSON.stringify({ ...manifest, chat: { ...manifest.chat, end_token_ids: [1] } }),
    );
    expect(await refused('a=1', 'other=1')).toMatchObject({
      code: 'ADAPTER_SUM',
      where: 'other',
      problem: expect.stringContaining('its chat template'),
    });
  });

  it('adapters of other bases', async () => {
    cpSync(join(folder, 'base'), join(folder, 'elsewhere'), { recursive: true });
    const config = readJson<object>(folder, 'elsewhere/config.json');
    writeFileSync(join(folder, 'elsewhere/config.json'), JSON.stringify({ ...config, rms_norm_eps: 1e-4 }));
    await train(
      ['recipe.json', 'model=elsewhere', 'method={name: lora, r: 4}', 'max_steps=1', 'output_dir=far'],
      place,
    );
    expect(await refused('a=1', 'far=1')).toMatchObject({ code: 'BASE_MISMATCH', where: join('far', 'adapter') });
  });

  describe('adapters of a base that differs in its weights alone', () => {
    const other = (precision: string) => join(folder, `twin-${precision}`);
    /** A folder as PEFT saves it: without attune.json, it names its base. */
    const asPeft = (name: string, base: string): string => {
      cpSync(join(folder, 'a/adapter'), join(folder, name), { recursive: true });
      rmSync(join(folder, name, 'attune.json'));
      const config = readJson<object>(folder, name, 'adapter_config.json');
      const named = { ...config, base_model_name_or_path: base };
      writeFileSync(join(folder, name, 'adapter_config.json'), JSON.stringify(named));
      return name;
    };
    beforeAll(async () => {
      for (const [name, factor] of [
        ['moved', 1.01],
        ['rounded', 1 + 2 ** -9],
      ] as const) {
        cpSync(join(folder, 'base'), other(name), { recursive: true });
        const path = join(other(name), 'model.safetensors');
        const bytes = readFileSync(path);
        for (let at = 8 + Number(bytes.readBigUInt64LE(0)); at < bytes.length; at += 4) {
          bytes.writeFloatLE(bytes.readFloatLE(at) * factor, at);
        }
        writeFileSync(path, bytes);
        const method = 'method={name: lora, r: 4, target_modules: [q_proj]}';
        await train(['recipe.json', `model=twin-${name}`, method, `output_dir=on-${name}`], place);
      }
    });

    it.each(['a', 'peft'])('%s beside one of other weights', async (first) => {
      if (first === 'peft') asPeft('peft', join(folder, 'base'));
      const added = first === 'peft' ? asPeft('peft-moved', other('moved')) : 'on-moved';
      expect(await refused(`${first}=1`, `${added}=1`)).toMatchObject({
        code: 'BASE_MISMATCH',
        where: expect.stringContaining(added),
        problem: expect.stringMatching(/it was trained on .*moved; the weights of .* are other ones/),
      });
      const opening = load(join(folder, 'base')).with(join(folder, added));
      await expect(opening).rejects.toMatchObject({ code: first === 'peft' ? 'BASE_MISMATCH' : 'ADAPTER_MISMATCH' });
    });

    it('but not of the same ones, kept elsewhere or in another precision', async () => {
      cpSync(join(folder, 'base'), join(folder, 'copied'), { recursive: true });
      await sum('a=1', `${asPeft('peft-copied', join(folder, 'copied'))}=1`, '--output', 'with-copied');
      await sum('a=1', 'on-rounded=1', '--output', 'with-rounded');
      await sum('a=1', `${asPeft('peft-rounded', other('rounded'))}=1`, '--output', 'with-rounded-peft');
    });

    it('nor is one of these where a run starts', async () => {
      const words = ['recipe.json', 'max_steps=1', 'method={name: lora, r: 4, target_modules: [q_proj, v_proj]}'];
      for (const start of ['on-moved', asPeft('peft-start', other('moved'))]) {
        const finished = await attune(['train', ...words, `init_from=${start}`, 'output_dir=no', '--json'], place);
        expect(errorOf(finished)).toMatchObject({ code: 'BASE_MISMATCH', where: expect.stringContaining(start) });
      }
      await train([...words, `init_from=${asPeft('peft-again', 'base')}`, 'output_dir=again'], place);
    });
  });

  it('heads that were trained apart', async () => {
    writeReviews(folder);
    writeRecipe(folder, tinyRecipe({ training: { max_steps: 2 } }), 'reviews.json');
    for (const seed of [1, 2]) {
      await train(['reviews.json', 'method={name: lora, r: 2}', `seed=${seed}`, `output_dir=head-${seed}`], place);
    }
    expect(await refused('head-1=1', 'head-2=1')).toMatchObject({
      code: 'ADAPTER_SUM',
      problem: expect.stringMatching(/it has its own 'classifier\.\w+', and so has head-1/),
    });
  });

  it.each([
    [['a=0.7', 'b'], 'attune merge b', 'it has no weight'],
    [['a=1', 'a=2'], 'attune merge a=2', 'it is given twice'],
    [['a=1', '--combination', 'ties'], 'attune merge --combination', 'got "ties"'],
    [['a=1', '--rank', '2'], 'attune merge --rank', 'the rank of cat'],
    [['a=1', '--max-drift', '1'], 'attune merge TARGET=WEIGHT', 'a sum is an adapter'],
    [['a', '--combination', 'cat'], 'attune merge --combination', 'it is for sums'],
  ])('%j', async (words, where, problem) => {
    expect(await refused(...words)).toMatchObject({ code: 'USAGE', where, problem: expect.stringContaining(problem) });
  });
});

describe('an adapter whose files were changed is not answered with', () => {
  const asked = async (target: string) => errorOf(await attune(['generate', target, '--prompt', 'a', '--json'], place));

  it('a precision that does not exist', async () => {
    cpSync(join(folder, 'a'), join(folder, 'odd'), { recursive: true });
    const manifest = join(folder, 'odd/adapter/attune.json');
    const read = readJson<{ method: object }>(folder, 'odd/adapter/attune.json');
    writeFileSync(manifest, JSON.stringify({ ...read, method: { ...read.method, base_precision: 'int16' } }));
    expect(await asked('odd/adapter')).toMatchObject({
      code: 'RUN_INVALID',
      problem: expect.stringContaining('int16'),
    });
  });

  it('a value that is not a number', async () => {
    cpSync(join(folder, 'a'), join(folder, 'broken'), { recursive: true });
    const path = join(folder, 'broken/adapter/adapter_model.safetensors');
    const bytes = readFileSync(path);
    bytes.writeFloatLE(Number.NaN, bytes.length - 4);
    writeFileSync(path, bytes);
    expect((await asked('broken/adapter')).code).toBe('WEIGHTS_NOT_FINITE');
  });
});
