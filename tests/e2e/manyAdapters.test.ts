/** `load(base).with(…)`: adapters of finished runs share their base, and answer as they do by themselves. */
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Prediction } from '../../src/index.ts';
import { assistantLora, assistantRecipe } from './assistant.ts';
import { distFolder, readJson, temporaryFolder, tinyModel, train, writeRecipe } from './attune.ts';
import { copyWithoutHead } from './headless.ts';
import { reviews, tinyRecipe, twoLabels, writeReviews, writeRows } from './reviews.ts';

const { load } = (await import(
  pathToFileURL(join(distFolder, 'index.js')).href
)) as typeof import('../../src/index.ts');
const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const place = { cwd: folder };
const base = at('base');

function expectSame(found: readonly Prediction[], wanted: readonly Prediction[]): void {
  for (const [i, { label, scores }] of wanted.entries()) {
    expect(found[i]!.label).toBe(label);
    expect(Object.keys(found[i]!.scores)).toEqual(Object.keys(scores));
    for (const name of Object.keys(scores))
      expect(Math.abs(found[i]!.scores[name]! - scores[name]!)).toBeLessThan(1e-5);
  }
}

describe('classifiers', () => {
  const texts = reviews(12, 500).map(({ text }) => text);
  const alone = new Map<string, readonly Prediction[]>();

  beforeAll(async () => {
    cpSync(tinyModel, base, { recursive: true });
    writeReviews(folder);
    writeRows(folder, 'two.jsonl', reviews(60, 0, twoLabels));
    writeRecipe(folder, tinyRecipe({ model: base, training: { max_steps: 20, learning_rate: 0.01 } }));
    const of = (method: object, ...words: string[]) =>
      train(['recipe.json', `method=${JSON.stringify(method)}`, ...words], place);
    await of({ name: 'lora', r: 4, target_modules: ['query', 'value'] }, 'output_dir=first');
    const two = ['data.train=two.jsonl', 'data.validation=two.jsonl', 'evaluation.threshold=0.3'];
    await of({ name: 'lora', r: 2, target_modules: 'all-linear', init: 'pissa' }, ...two, 'output_dir=second');
    await of({ name: 'dora', r: 4 }, 'data.max_length=8', 'output_dir=third');
    await of({ name: 'freeze' }, 'output_dir=head');
    for (const name of ['first', 'second', 'third', 'head']) {
      await using model = await load(at(name));
      alone.set(name, await model.predict(texts));
    }
    await using plain = await load(base);
    alone.set('base', await plain.predict(texts));
  });

  it('each row by the adapter that is named for it, with its labels, threshold and length', async () => {
    await using many = await load(base).with(at('first'), at('second/adapter'), {
      shortened: at('third'),
      head: at('head'),
    });
    expect(many.adapters).toEqual(['first', 'second', 'shortened', 'head']);
    expect(many.labelsOf('second')).toEqual(Object.keys(twoLabels));
    const owners = texts.map((_, i) => ['first', 'second', 'shortened', null, 'head'][i % 5]!);
    const keys = owners.map((owner) => ({ shortened: 'third' })[owner as string] ?? owner ?? 'base');
    expectSame(
      await many.predict(texts, { adapter: owners }),
      keys.map((key, i) => alone.get(key)![i]!),
    );
    expectSame(await many.predict(texts, { adapter: 'second' }), alone.get('second')!);
    expectSame(await many.predict(texts), alone.get('base')!);
    expectSame([await many.predict(texts[3]!, { adapter: 'head' })], [alone.get('head')![3]!]);
  });

  it('a model that is open already takes adapters, too, and they come and go', async () => {
    await using model = await load(base);
    await using many = await model.with(at('first'));
    await many.add(at('second'), { other: at('first') });
    many.remove('first');
    expect(many.adapters).toEqual(['second', 'other']);
    expectSame(await many.predict(texts, { adapter: 'other' }), alone.get('first')!);
    expectSame(await model.predict(texts), alone.get('base')!);
  });

  it('on a base without a head: then each row needs an adapter', async () => {
    const bare = at('bare');
    cpSync(base, bare, { recursive: true });
    writeFileSync(join(bare, 'model.safetensors'), withoutHead(readFileSync(join(bare, 'model.safetensors'))));
    await expect(load(bare)).rejects.toMatchObject({ code: 'MODEL_WEIGHTS' });
    await using many = await load(bare).with(at('first'), at('head'));
    expectSame(await many.predict(texts.slice(0, 1), { adapter: ['head'] }), alone.get('head')!.slice(0, 1));
    await expect(many.predict(texts)).rejects.toMatchObject({
      code: 'ADAPTER_NAME',
      problem: 'the base itself has no head to answer with',
      fix: 'name one of these: first, head',
    });
  });

  it("with the base's head, where another program's folder has none", async () => {
    copyWithoutHead(at('first/adapter'), at('headless'));
    await using model = await load(at('headless'));
    const answers = await model.predict(texts);
    expect(Object.keys(answers[0]!.scores)).toEqual(Object.keys(alone.get('base')![0]!.scores));
    const moved = answers.filter(({ score }, i) => Math.abs(score - alone.get('base')![i]!.score) > 1e-3);
    expect(moved.length).toBeGreaterThan(0);
    await using many = await load(base).with(at('headless'), at('first'));
    expectSame(await many.predict(texts, { adapter: 'headless' }), answers);
    await expect(load(at('bare')).with(at('headless'))).rejects.toMatchObject({ code: 'ADAPTER_MISMATCH' });
  });

  it('on the base that is given, where a folder names none', async () => {
    cpSync(at('first/adapter'), at('unnamed'), { recursive: true });
    rmSync(at('unnamed/attune.json'));
    const config = readJson<object>(at('unnamed'), 'adapter_config.json');
    const unnamed = { ...config, base_model_name_or_path: null };
    writeFileSync(at('unnamed/adapter_config.json'), JSON.stringify(unnamed));
    await using many = await load(base).with(at('unnamed'));
    expectSame(await many.predict(texts, { adapter: 'unnamed' }), alone.get('first')!);
    await expect(load(at('unnamed'))).rejects.toMatchObject({
      code: 'ADAPTER_UNSUPPORTED',
      where: at('unnamed/adapter_config.json'),
      fix: expect.stringContaining('load(BASE).with(FOLDER)'),
    });
    const method = 'method={name: lora, r: 4, target_modules: [query, value]}';
    const run = await train(
      ['recipe.json', method, 'init_from=unnamed', 'max_steps=1', 'output_dir=from-unnamed'],
      place,
    );
    const { majority: _, ...before } = run.before;
    expect(before).toEqual(readJson<{ metrics: object }>(folder, 'first/run.json').metrics);
  });

  describe('refuses', () => {
    it.each([
      [
        'an adapter of another base',
        ['elsewhere'],
        { code: 'BASE_MISMATCH', where: expect.stringContaining('elsewhere') },
      ],
      ['a whole model', ['base'], { code: 'ADAPTER_ALONE', problem: 'it is a whole model, not an adapter' }],
      [
        'weights that have changed',
        ['damaged'],
        { code: 'ADAPTER_MISMATCH', where: expect.stringContaining('damaged') },
      ],
      [
        'a name that is given twice',
        ['first', 'first/adapter'],
        { code: 'ADAPTER_NAME', problem: expect.stringContaining("called 'first'") },
      ],
    ])('%s', async (_, names, error) => {
      cpSync(at('first/adapter'), at('elsewhere'), { recursive: true });
      const manifest = readJson<{ base: object }>(folder, 'elsewhere/attune.json');
      const moved = { ...manifest, base: { ...manifest.base, config_sha256: '0' } };
      writeFileSync(join(at('elsewhere'), 'attune.json'), JSON.stringify(moved));
      cpSync(at('first/adapter'), at('damaged'), { recursive: true });
      const weights = readFileSync(at('damaged/adapter_model.safetensors'));
      weights.fill(0x3e, weights.length - 4000);
      writeFileSync(at('damaged/adapter_model.safetensors'), weights);
      await expect(load(base).with(...names.map(at))).rejects.toMatchObject(error);
    });

    it('an adapter in the place of the base, texts of a classifier, and lists of unequal lengths', async () => {
      await expect(load(at('first')).with(at('second'))).rejects.toMatchObject({
        code: 'ADAPTER_ALONE',
        fix: `load the base with both: load('${base}').with('${at('first')}', …)`,
      });
      await using many = await load(base).with(at('first'));
      await expect(many.generate('a')).rejects.toMatchObject({ code: 'MODEL_TASK' });
      await expect(many.predict(texts, { adapter: ['first'] })).rejects.toMatchObject({
        code: 'CONFIG_INVALID',
        problem: 'it names 1 adapters for 12 inputs',
      });
      await expect(many.predict(texts, { adapter: 'frist' })).rejects.toMatchObject({ code: 'ADAPTER_NAME' });
    });
  });
});

/** The tensors of the head are called something else, so that no reader finds them. */
const withoutHead = (file: Buffer): Buffer => {
  const text = file.toString('latin1');
  return Buffer.from(text.replaceAll('"classifier.', '"xlassifier.'), 'latin1');
};

describe('texts', () => {
  const { model } = assistantRecipe;
  const asked = ['Who are you?', '天气怎么样？', 'Say one word.'];

  beforeAll(async () => {
    const rows = asked.map((content, i) => {
      return {
        messages: [
          { role: 'user', content },
          { role: 'assistant', content: `Oslo ${i}` },
        ],
      };
    });
    writeRows(folder, 'other.jsonl', rows);
    writeRecipe(folder, assistantRecipe, 'sft.json');
    const lora = ['sft.json', ...assistantLora];
    await train([...lora, 'output_dir=assistant'], place);
    const other = ['data.train=other.jsonl', 'method.r=3', 'method.target_modules=[q_proj, down_proj]'];
    await train([...lora, ...other, 'output_dir=place'], place);
  });

  it('are written by the adapter that is named for each prompt, and end where it ends them', async () => {
    await using many = await load(model).with(at('assistant'), at('place'));
    const prompts = [...asked, ...asked];
    const adapter = ['assistant', 'place', 'assistant', 'place', 'assistant', 'place'];
    const texts = (await many.generate(prompts, { adapter })).map(({ text }) => text);
    expect(texts).toEqual(['I am the assistant.', 'Oslo 1', 'Oslo', 'Oslo 0', '天气很冷。', 'Oslo 2']);
    expect(await many.generate('Who are you?', { adapter: 'place' })).toMatchObject({
      text: 'Oslo 0',
      finishReason: 'stop',
    });
    const messages = [{ role: 'user', content: 'Who are you?' } as const];
    const both = await many.chat([messages, messages], { adapter: ['assistant', 'place'] });
    expect(both.map(({ text }) => text)).toEqual(['I am the assistant.', 'Oslo 0']);
    expect(many.kind).toBe('language-model');
    expect(await many.chat(messages, { adapter: 'assistant', max_new_tokens: 2 })).toMatchObject({
      finishReason: 'length',
      tokens: 2,
    });
    const written = '<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\nI am';
    expect((await many.generate(written, { adapter: 'assistant', raw: true })).text).toBe(' the assistant.');
    await expect(many.predict('a')).rejects.toMatchObject({ code: 'MODEL_TASK' });
    await expect(many.generate('a', { temperature: -1 })).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it('an adapter that is removed while it writes ends what it began; one that is not there is named', async () => {
    await using many = await load(model).with(at('assistant'), at('place'));
    const writing = many.generate(asked, { adapter: 'place' });
    many.remove('place');
    expect((await writing).map(({ text }) => text)).toEqual(['Oslo 0', 'Oslo 1', 'Oslo 2']);
    const messages = [{ role: 'user', content: 'Hi' } as const];
    await expect(many.chat(messages, { adapter: 'place' })).rejects.toMatchObject({ code: 'ADAPTER_NAME' });
    const lots = Array.from({ length: 40 }, (_, i) => asked[i % 3]!);
    const answers = await many.generate(lots, { adapter: 'assistant' });
    expect(answers.map(({ text }) => text).slice(36)).toEqual([
      'I am the assistant.',
      '天气很冷。',
      'Oslo',
      'I am the assistant.',
    ]);
  });

  it('a base answers beside them', async () => {
    await using many = await load(model).with(at('place'));
    const [own, other] = await many.generate(['Who are you?', 'Who are you?'], {
      adapter: [null, 'place'],
      max_new_tokens: 8,
    });
    expect(other!.text).toBe('Oslo 0');
    expect(own!.text).not.toBe('Oslo 0');
  });
});
