/** Language models: rows of one batch are read, and written on, as each adapter does alone. */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { AdapterSource } from '../../src/inference/classifier.node.ts';
import { generate } from '../../src/inference/generation/index.ts';
import { openLanguageModel, openWriter } from '../../src/inference/languageModel.node.ts';
import { openBase, readMember } from '../../src/inference/manyAdapters/base.node.ts';
import { rowFeeds } from '../../src/inference/manyAdapters/members.ts';
import { type ManyWriters, openManyWriters } from '../../src/inference/manyAdapters/writers.node.ts';
import { byRowMethod } from '../../src/methods/byRow/index.ts';
import { buildProgram, tokenInputs } from '../../src/models/nn/index.ts';
import { causalLm } from '../../src/tasks/index.ts';
import { parameterValues } from '../../src/training/index.ts';
import { families, folderOf, goldenRows, plainBatch } from '../golden/decoderModels.ts';
import { goldenFolder, relativeError, runtime } from '../golden/fixtures.ts';
import { madeAdapter, settingsOf } from './madeAdapters.ts';

const places = mkdtempSync(join(tmpdir(), 'attune-writers-'));
afterAll(() => rmSync(places, { recursive: true, force: true }));

/** The small models have no tokenizers, and texts are tokens here. */
function placeOf(family: string): string {
  const place = join(places, family);
  cpSync(folderOf(family), place, { recursive: true });
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
    cpSync(join(goldenFolder, 'sft/model', name), join(place, name));
  }
  return place;
}

const all = { target_modules: 'all-linear' };
/** One that changes layers whole needs their names. */
const wholeOf = (family: string): object =>
  family === 'gpt2' ? { patterns: ['h.0.attn.c_attn', 'h.1.mlp.c_proj'] } : { patterns: ['layers.0.mlp.down_proj'] };

const kinds = (family: string) => ({
  lora: { name: 'lora', r: 4 },
  wide: { name: 'lora', r: 7, ...all, use_rslora: true },
  dora: { name: 'dora', r: 2, ...all },
  ia3: { name: 'ia3' },
  adapter: { name: 'adapter', placement: 'houlsby', reduction_factor: 4 },
  whole: { name: 'freeze', trainable: wholeOf(family) },
});
type Name = keyof ReturnType<typeof kinds>;
const names = Object.keys(kinds('llama')) as Name[];

async function adaptersOf(family: string, size = 0.1): Promise<Map<Name, AdapterSource>> {
  const folder = placeOf(family);
  const found = new Map<Name, AdapterSource>();
  for (const [seed, [name, method]] of Object.entries(kinds(family)).entries()) {
    found.set(
      name as Name,
      await madeAdapter({ folder, method: settingsOf(method as Parameters<typeof settingsOf>[0]), seed, size }),
    );
  }
  return found;
}

describe.each(families)('%s', (family) => {
  test('scores of every token, each row with another adapter', async () => {
    const base = await openBase(placeOf(family), { task: 'texts', basePrecision: 'fp32' });
    const adapters = await adaptersOf(family);
    const members = new Map<Name, Awaited<ReturnType<typeof readMember>>>();
    for (const [name, adapter] of adapters) members.set(name, await readMember(base, adapter));
    const { description } = base.source;
    const { feeds } = plainBatch(goldenRows().slice(0, names.length));
    const [, tokens] = feeds['input_ids']!.shape as [number, number];

    const parts = new Set([...members.values()].flatMap((member) => [...member.parts.keys()]));
    const method = byRowMethod(parts);
    const program = buildProgram(causalLm(description), { methods: [method], batch: tokenInputs() });
    await using session = await runtime.open({ logits: program.outputs.logits }, { threads: 1 });
    const graph = { names: parts, stacks: method.stacks, [Symbol.asyncDispose]: async () => undefined };
    const own = rowFeeds(graph, [...members.values()])([...names.keys()]);
    const mixed = (await session.run({ ...parameterValues(program, base.memory), ...feeds, ...own })).logits!;

    const rowsOfTargets = Array.from(feeds['target_places']!.data as Int32Array, (place) => Math.floor(place / tokens));
    expect(mixed.shape).toEqual([rowsOfTargets.length, description.config.vocab_size]);
    const ownScores = (all: Float32Array, row: number) => {
      const [first, last] = [rowsOfTargets.indexOf(row), rowsOfTargets.lastIndexOf(row)];
      return all.subarray(first * description.config.vocab_size, (last + 1) * description.config.vocab_size);
    };
    for (const [row, [name, adapter]] of [...adapters].entries()) {
      const wanted = await logitsAlone(family, adapter, feeds);
      const [found, expected] = [mixed.data as Float32Array, wanted].map((all) => ownScores(all, row));
      expect(found!.length, name).toBeGreaterThan(description.config.vocab_size);
      expect(relativeError(found!, expected!), name).toBeLessThan(1e-5);
    }
  });
});

async function logitsAlone(
  family: string,
  adapter: AdapterSource,
  feeds: Parameters<typeof runtime.open>[1]['constants'],
) {
  await using model = await openLanguageModel({ folder: placeOf(family), adapter }, { threads: 1 });
  const { program, memory } = model;
  await using session = await runtime.open({ logits: program.outputs.logits }, { threads: 1 });
  return (await session.run({ ...parameterValues(program, memory), ...feeds })).logits!.data as Float32Array;
}

describe.each(['llama', 'gpt2'])('texts of %s', (family) => {
  const prompts = goldenRows()
    .slice(0, 4)
    .map(({ input_ids }) => [...input_ids]);
  const options = { max_new_tokens: 10 };
  const alone = new Map<Name | undefined, readonly (readonly number[])[]>();
  let many: ManyWriters;

  beforeAll(async () => {
    const adapters = await adaptersOf(family, 0.3);
    for (const name of [undefined, ...names]) {
      const adapter = name === undefined ? undefined : adapters.get(name);
      await using writer = await openWriter({ folder: placeOf(family), adapter }, { threads: 1 });
      const written = await generate(writer.decoder, { inputIds: prompts }, options);
      alone.set(
        name,
        written.map(({ tokens }) => tokens),
      );
    }
    many = await openManyWriters(await openBase(placeOf(family), { task: 'texts', basePrecision: 'fp32' }), {
      threads: 1,
    });
    await many.add(adapters);
  });
  afterAll(() => many[Symbol.asyncDispose]());

  async function expectSame(owners: readonly (Name | undefined)[]): Promise<void> {
    const inputIds = owners.map((_, i) => prompts[i % prompts.length]!);
    const written = await many.generate(many.membersOf(owners), { inputIds }, options);
    expect(written.map(({ tokens }) => tokens)).toEqual(
      owners.map((owner, i) => alone.get(owner)![i % prompts.length]),
    );
  }

  test('differ from each other', () => {
    expect(new Set([...alone.values()].map((texts) => texts.join('|'))).size).toBe(names.length + 1);
  });

  test('are those that each writes alone', () => expectSame([...names, undefined]));
  test('in any order, some more than once', () =>
    expectSame(['whole', undefined, 'dora', 'lora', 'dora', 'dora', 'wide', 'lora']));
  test.each(names)('by %s alone', (name) => expectSame([name, name]));

  test('of one prompt more than one, and each ends where its own adapter ends it', async () => {
    const ends = new Map([[0, [alone.get('lora')![0]![3]!]]]);
    const request = { inputIds: [prompts[0]!, prompts[0]!], endIdsOf: (prompt: number) => ends.get(prompt) ?? [] };
    const written = await many.generate(many.membersOf(['lora', 'ia3']), request, { ...options, n: 2 });
    const [first, , second] = written;
    expect(written.map(({ prompt }) => prompt)).toEqual([0, 0, 1, 1]);
    expect(first!.tokens).toEqual(alone.get('lora')![0]!.slice(0, 3));
    expect(second!.tokens).toEqual(alone.get('ia3')![0]);
  });
});
