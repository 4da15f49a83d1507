/** Rows of one batch answer as each adapter does alone, whoever stands beside them. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type AdapterSource, openClassifier, type Prediction } from '../../src/inference/classifier.node.ts';
import { openBase } from '../../src/inference/manyAdapters/base.node.ts';
import { type ManyClassifiers, openManyClassifiers } from '../../src/inference/manyAdapters/classifiers.node.ts';
import { reviews } from '../e2e/reviews.ts';
import { goldenFolder } from '../golden/fixtures.ts';
import { everyMethod } from './everyMethod.ts';
import { madeAdapter, settingsOf } from './madeAdapters.ts';

const folder = `${goldenFolder}/bert-tiny/model`;
const texts = reviews(14, 300).map(({ text }) => text);
const [two, three, five] = [2, 3, 5].map((count) => Array.from({ length: count }, (_, i) => `label ${count}.${i}`));

/** One of each kind that can be one of many, with ranks, layers and labels that differ. */
const given = {
  lora: [{ name: 'lora', r: 4 }, two],
  wide: [{ name: 'lora', r: 9, lora_alpha: 3, target_modules: 'all-linear', use_rslora: true }, three],
  patterns: [
    {
      name: 'lora',
      r: 2,
      target_modules: ['query', 'dense'],
      rank_pattern: { 'layer.1.attention.self.query': 5 },
      alpha_pattern: { 'output.dense': 7 },
      bias: 'lora_only',
    },
    five,
  ],
  pooler: [{ name: 'lora', r: 3, target_modules: ['value'], modules_to_save: ['pooler.dense'] }, two],
  dora: [{ name: 'dora', r: 4, target_modules: ['query', 'intermediate.dense'], bias: 'lora_only' }, three],
  ia3: [{ name: 'ia3' }, two],
  houlsby: [{ name: 'adapter', placement: 'houlsby', reduction_factor: 4 }, five],
  pfeiffer: [{ name: 'adapter', placement: 'pfeiffer' }, two],
  narrow: [{ name: 'adapter', placement: 'pfeiffer', reduction_factor: 3, scaling: 2 }, three],
  parallel: [{ name: 'adapter', placement: 'parallel', non_linearity: 'gelu' }, two],
  head: [{ name: 'freeze' }, five],
} as const;
type Name = keyof typeof given;
const names = Object.keys(given) as Name[];

const adapters = new Map<Name | undefined, AdapterSource>();
const alone = new Map<Name | undefined, readonly Prediction[]>();
let many: ManyClassifiers;

beforeAll(async () => {
  for (const [seed, name] of names.entries()) {
    const [method, labels] = given[name];
    adapters.set(name, await madeAdapter({ folder, method: settingsOf(method), labels: labels!, seed }));
  }
  for (const name of [undefined, ...names]) {
    const options = { threads: 1, maxLength: 32, batchSize: 4 };
    await using model = await openClassifier({ folder, adapter: adapters.get(name) }, options);
    alone.set(name, await model.predict(texts.map((text) => ({ text }))));
  }
  const base = await openBase(folder, { task: 'labels', basePrecision: 'fp32' });
  many = await openManyClassifiers(base, { threads: 1, batchSize: 64 });
  await many.add(new Map(names.map((name) => [name, { adapter: adapters.get(name)!, maxLength: 32 }])));
});
afterAll(() => many[Symbol.asyncDispose]());

const largestDifference = (found: Prediction, wanted: Prediction): number => {
  expect(Object.keys(found.scores)).toEqual(Object.keys(wanted.scores));
  return Math.max(...Object.entries(wanted.scores).map(([label, score]) => Math.abs(score - found.scores[label]!)));
};

/** Each text by the adapter that stands at its place. */
async function expectSame(owners: readonly (Name | undefined)[]): Promise<void> {
  const found = await many.predict(owners.map((adapter, i) => ({ text: texts[i % texts.length]!, adapter })));
  for (const [i, owner] of owners.entries()) {
    const wanted = alone.get(owner)![i % texts.length]!;
    expect(largestDifference(found[i]!, wanted), `row ${i}, ${owner}`).toBeLessThan(1e-5);
    expect(found[i]!.label).toBe(wanted.label);
  }
}

describe('classifiers in one batch', () => {
  test('differ from each other, so that a mistake would show', () => {
    const first = names.map((name) => Object.values(alone.get(name)![0]!.scores).join());
    expect(new Set(first).size).toBe(names.length);
  });

  test('answer as each does alone', () => expectSame(names));

  test('also in the other order, and beside rows of the base', () =>
    expectSame([undefined, ...names.toReversed(), undefined]));

  test.each(names)('%s: alone in its batch, and beside each other one', async (name) => {
    await expectSame([name]);
    await expectSame([name, name, name]);
    for (const other of [undefined, ...names]) await expectSame([other, name, name, other, name]);
  });

  test('more rows than one run takes', () =>
    expectSame(Array.from({ length: 150 }, (_, i) => names[(i * 7) % names.length])));
});

describe('what cannot be one of many is refused by the name of its tensor', () => {
  test.each([
    [everyMethod.vera, 'vera_'],
    [everyMethod.bitfit, 'bert.embeddings.LayerNorm.bias'],
    [everyMethod.ln_tuning, 'bert.embeddings.LayerNorm.weight'],
    [everyMethod.prompt_tuning, 'prompt_embeddings'],
    [everyMethod.prefix_tuning, 'prompt_embeddings'],
    [everyMethod.full, 'bert.embeddings'],
    [settingsOf({ name: 'freeze', trainable: 1 }), 'LayerNorm'],
    [settingsOf({ name: 'lora', bias: 'all' }), 'LayerNorm.bias'],
    [settingsOf({ name: 'lora', target_modules: ['query', 'word_embeddings'] }), 'word_embeddings.lora_embedding_A'],
    [settingsOf({ name: 'lora', init: 'pissa' }), 'lora_A_start'],
  ])('$name', async (method, tensor) => {
    const adapter = await madeAdapter({ folder, method, labels: two!, seed: 1 });
    await expect(many.add(new Map([['odd', { adapter }]]))).rejects.toMatchObject({
      code: 'ADAPTER_ALONE',
      where: adapter.folder,
      problem: expect.stringContaining(tensor),
    });
    expect(many.names).toEqual(names);
  });

  test('a base that was rounded otherwise', async () => {
    const method = settingsOf({ name: 'lora', base_precision: 'int8' });
    const adapter = await madeAdapter({ folder, method, labels: two!, seed: 1 });
    const problem = 'it was trained over a base in int8, and the base of these adapters is held in fp32';
    await expect(many.add(new Map([['odd', { adapter }]]))).rejects.toMatchObject({ code: 'ADAPTER_ALONE', problem });
  });

  test('tensors of another model', async () => {
    const adapter = await madeAdapter({ folder, method: settingsOf({ name: 'lora' }), labels: two!, seed: 1 });
    const other = { ...adapter, method: settingsOf({ name: 'lora', target_modules: ['query'] }) };
    await expect(many.add(new Map([['odd', { adapter: other }]]))).rejects.toMatchObject({ code: 'ADAPTER_MISMATCH' });
  });

  test('one that does not answer as it did when it was saved: then none of those that came with it stays', async () => {
    const good = adapters.get('lora')!;
    const moved = {
      ...good,
      fingerprint: [
        [0, 0],
        [0, 0],
      ],
    };
    const both = new Map([
      ['good', { adapter: good }],
      ['moved', { adapter: moved }],
    ]);
    await expect(many.add(both)).rejects.toMatchObject({ code: 'ADAPTER_MISMATCH', where: good.folder });
    expect(many.names).toEqual(names);
  });
});

describe('adapters come and go', () => {
  const base = () => openBase(folder, { task: 'labels', basePrecision: 'fp32' });
  const added = (...chosen: Name[]) =>
    new Map(chosen.map((name) => [name, { adapter: adapters.get(name)!, maxLength: 32 }]));

  test('while others answer, also where one brings layers that none had', async () => {
    await using some = await openManyClassifiers(await base(), { threads: 1, batchSize: 2 });
    await some.add(added('lora'));
    const asked = texts.map((text) => ({ text, adapter: 'lora' }));
    const [before, , during] = await Promise.all([
      some.predict(asked),
      some.add(added('wide', 'houlsby')),
      some.predict(asked),
    ]);
    const after = await some.predict(asked);
    for (const answers of [before, during, after]) {
      for (const [i, answer] of answers.entries()) {
        expect(largestDifference(answer, alone.get('lora')![i]!)).toBeLessThan(1e-5);
      }
    }
    expect(some.names).toEqual(['lora', 'wide', 'houlsby']);
    some.remove('lora');
    expect(some.names).toEqual(['wide', 'houlsby']);
    await expect(some.predict(asked)).rejects.toMatchObject({
      code: 'ADAPTER_NAME',
      problem: "no adapter is called 'lora'",
      fix: 'name one of these: wide, houlsby',
    });
    const [answer] = await some.predict([{ text: texts[0]!, adapter: 'wide' }]);
    expect(largestDifference(answer!, alone.get('wide')![0]!)).toBeLessThan(1e-5);
    await some.add(added('lora'));
    expect(some.labelsOf('lora')).toEqual(two);
  });

  test('under names that are free', async () => {
    await expect(many.add(added('dora'))).rejects.toMatchObject({
      code: 'ADAPTER_NAME',
      problem: "there is an adapter 'dora' already",
    });
    expect(() => many.remove('nobody')).toThrowError(/no adapter is called 'nobody'/);
  });

  test('until they are closed, which lets what was asked before end', async () => {
    const some = await openManyClassifiers(await base(), { threads: 1, batchSize: 2 });
    await some.add(added('lora'));
    const asked = some.predict(texts.map((text) => ({ text, adapter: 'lora' })));
    await Promise.all([some[Symbol.asyncDispose](), some[Symbol.asyncDispose]()]);
    expect(largestDifference((await asked)[3]!, alone.get('lora')![3]!)).toBeLessThan(1e-5);
    const refused = { code: 'USAGE', problem: 'its adapters are closed' };
    await expect(some.predict([{ text: 'a' }])).rejects.toMatchObject(refused);
    await expect(some.add(added('wide'))).rejects.toMatchObject(refused);
  });
});
