/** PEFT's methods over small decoders: folders open, answer, learn, merge and are written back as PEFT has them. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { requireJson } from '../../src/files/modelFolder.node.ts';
import { generate, openDecoder as openGenerator } from '../../src/inference/generation/index.ts';
import { exportedTensors, mergedTensors } from '../../src/inference/merged.ts';
import { attachMethod, methods } from '../../src/methods/index.ts';
import { readAdapter, writePeftFolder } from '../../src/store/adapters/index.ts';
import type { PeftConfig } from '../../src/store/adapters/peft/forms.ts';
import { valuesOf } from '../../src/training/index.ts';
import {
  curveBatches,
  folderOf,
  goldenBatchRows,
  logitsOf,
  openDecoder,
  plainBatch,
  trainerOf,
  withoutPadding,
} from './decoderModels.ts';
import { readGolden, readTensors, relativeError, runtime } from './fixtures.ts';
import { lossCurve } from './partial.ts';
import { encodedMethod, expectLosses, expectMerged, type GoldenCurve, isEncoded, own, startOf } from './peftFolders.ts';

const out = mkdtempSync(join(tmpdir(), 'attune-decoder-methods-'));
afterAll(() => rmSync(out, { recursive: true, force: true }));

/**
 * All methods over the first two. Qwen2's head is its embedding; Mistral's windows end before a prefix does; what Gemma looks up
 * is multiplied, prompts are not.
 */
const families = ['llama', 'gpt2', 'qwen2', 'mistral', 'gemma3_text'] as const;
/** Their embeddings score tokens too. */
const tied = new Set(['gpt2', 'gemma3_text']);
const goldenOf = (family: string) => readGolden(`decoders/${family}/methods/cases.json`);
const all = families.flatMap((family) => {
  return Object.keys(goldenOf(family).cases).map((name) => ({ family, name, golden: goldenOf(family).cases[name] }));
});
type Case = (typeof all)[number];

const placeOf = ({ family, name }: Case): string => `decoders/${family}/methods/${name}`;
const adapterOf = ({ family, name }: Case) => folderOf(family, `methods/${name}/adapter`);
const tensorsOf = (one: Case) => readTensors(`${placeOf(one)}/golden.safetensors`);

async function openSaved(one: Case) {
  const { method, open } = (await readAdapter(adapterOf(one)))!;
  const adapter = await open();
  const opened = await openDecoder(one.family, { method, adapter });
  await adapter.close();
  return { ...opened, method };
}

/** With the networks of which PEFT saves what they give. */
async function openTrained(one: Case) {
  if (!isEncoded(one.golden)) return await openSaved(one);
  const method = encodedMethod(one.name, one.golden.settings);
  return { ...(await openDecoder(one.family, { method, adapter: startOf(await tensorsOf(one)) })), method };
}

type Opened = Awaited<ReturnType<typeof openSaved>>;

async function expectLogits(one: Case, opened: Opened): Promise<void> {
  const step0 = await readTensors(`decoders/${one.family}/step0.safetensors`);
  const logits = await logitsOf(opened, plainBatch(goldenBatchRows(step0)).feeds);
  const expected = (await tensorsOf(one)).get('logits')!.data;
  expect(relativeError(withoutPadding(logits, step0), expected)).toBeLessThan(1e-5);
}

describe.each(all)('$name over $family', (one) => {
  const { family, name, golden } = one;

  test('answers from its folder', async () => {
    const opened = await openSaved(one);
    // What was trained whole stands in the place of the base's.
    const replaced = [...opened.memory.trained.values()].filter(({ parameter }) => !parameter.added);
    const names = replaced.map(({ parameter }) => parameter.name).sort();
    expect(opened.loaded).toEqual({ fresh: [], unused: names });
    expect(names.length > 0).toBe(/^(ln_tuning|lora_tied)$/.test(name));
    await expectLogits(one, opened);
  });

  test('gives the logits, the loss and every gradient of PEFT', async () => {
    const opened = await openTrained(one);
    await expectLogits(one, opened);
    const wanted = await tensorsOf(one);
    const step0 = await readTensors(`decoders/${family}/step0.safetensors`);
    await using trainer = await trainerOf(opened);
    const { sum } = await trainer.gradients([plainBatch(goldenBatchRows(step0))], 1);
    expect(relativeError([sum], wanted.get('loss_sum')!.data)).toBeLessThan(1e-5);
    const gradients = Object.keys(golden.trained).map((key) => [own(key)!, wanted.get(`gradient.${key}`)!] as const);
    expect([...opened.memory.trained.keys()].sort()).toEqual(gradients.map(([parameter]) => parameter).sort());
    for (const [parameter, { data }] of gradients) {
      const { gradient } = opened.memory.trained.get(parameter)!.arrays;
      expect(relativeError(gradient, data), parameter).toBeLessThan(1e-4);
    }
  });

  test('merges to the weights of PEFT', async () => {
    const opened = await openTrained(one);
    const count = await expectMerged(opened, await tensorsOf(one));
    const weights = [...opened.program.merged.keys()].filter((key) => key.endsWith('.weight'));
    if (tied.has(family) && name === 'lora_embedding') return expect(count).toBe(0);
    expect(count).toBe(weights.length);
    return expect(count > 0).toBe(/ia3|dora|vera|lora/.test(name));
  });

  test('its loss curve follows PEFT', async () => {
    const opened = await openTrained(one);
    const ranks = [...opened.memory.trained].filter(([parameter]) => parameter.endsWith('.lora_E'));
    const kept: number[] = [];
    const each = () => kept.push(ranks.flatMap(([, { arrays }]) => [...arrays.weight].filter(Boolean)).length);
    expectLosses(await lossCurve(opened, golden.plan, { batches: curveBatches(), each }), golden);
    if (golden.ranks_kept) expect(kept).toEqual(golden.ranks_kept);
  });

  test('is written back as PEFT wrote it', async () => {
    const { peft } = (await readAdapter(adapterOf(one)))!;
    await expectSameFolder(await written(one, peft), one);
  });

  test('is written anew with the fields of PEFT, but for sizes that it takes from the model', async () => {
    const config = await requireJson(await written(one), 'adapter_config.json');
    const wanted = (await requireJson(adapterOf(one), 'adapter_config.json')) as object;
    for (const [field, value] of Object.entries(config as object)) {
      if (!takenFromModel.has(field) && !isNumbered(wanted, field)) {
        expect(wanted, field).toMatchObject({ [field]: value });
      }
    }
  });
});

/** PEFT notes the sizes that it found; a network is not noted where the folder has vectors alone. */
const takenFromModel = new Set([
  ...['num_transformer_submodules', 'num_attention_heads', 'num_layers', 'token_dim'],
  ...['encoder_hidden_size', 'prefix_projection'],
]);

/** The settings have the numbers of layers in the expression of their targets. */
const isNumbered = (config: object, field: string): boolean =>
  Reflect.get(config, 'layers_to_transform') !== null && ['target_modules', 'layers_to_transform'].includes(field);

/** A folder of its own, which goes on from another or begins. */
async function written(one: Case, kept?: PeftConfig): Promise<string> {
  const { program, memory, method, description } = await openTrained(one);
  const folder = mkdtempSync(join(out, 'adapter-'));
  const saved = program.parameters.filter(({ parameter: { trainable, added } }) => trainable || added);
  const tensors = saved.map(({ parameter }) => {
    return { ...parameter, dtype: 'float32' as const, data: valuesOf(memory, parameter.name) };
  });
  const exported = await exportedTensors(program, { memory, open: runtime.open, threads: 1 });
  const identity = { taskType: 'CAUSAL_LM', baseName: '../../../model', headModules: [] };
  const facts = description.architecture;
  const weights = program.parameters.map(({ parameter }) => parameter);
  await writePeftFolder(folder, { method, ...identity, tensors: exported ?? tensors, facts, weights, kept });
  return folder;
}

/** Files, tensors and fields; only what a network of ours gave is computed, and not copied. */
async function expectSameFolder(folder: string, one: Case): Promise<void> {
  expect(readdirSync(folder).sort()).toEqual(readdirSync(adapterOf(one)).sort());
  const wanted = await readTensors(`${placeOf(one)}/adapter/adapter_model.safetensors`);
  const found = await readTensors(join(folder, 'adapter_model.safetensors'));
  expect([...found.keys()].sort()).toEqual([...wanted.keys()].sort());
  for (const [key, { shape, data }] of wanted) {
    expect(found.get(key)!.shape, key).toEqual(shape);
    if (isEncoded(one.golden)) expect(relativeError(found.get(key)!.data, data), key).toBeLessThan(1e-6);
    else expect(found.get(key)!.data, key).toEqual(data);
  }
  const config = await requireJson(adapterOf(one), 'adapter_config.json');
  // The folder has vectors alone, from which PEFT can go on where no network is noted.
  const noted = one.name === 'prefix_projection' ? { prefix_projection: false } : {};
  expect(await requireJson(folder, 'adapter_config.json')).toEqual({ ...(config as object), ...noted });
}

test('embeddings that score tokens too are not merged: PEFT would change these scores', async () => {
  const { program, memory } = await openSaved(
    all.find((one) => placeOf(one) === 'decoders/gpt2/methods/lora_embedding')!,
  );
  await expect(mergedTensors(program, { memory, open: runtime.open, threads: 1 })).rejects.toMatchObject({
    code: 'EXPORT_UNSUPPORTED',
    where: 'transformer.wte.weight',
    fix: expect.stringContaining('target_modules'),
  });
});

interface Greedy {
  readonly prompts: number[][];
  readonly tokens: number[][];
}

const before = all.filter(({ name }) => /^p/.test(name));

test.each(before)(
  '$name over $family: the likeliest tokens after prompts of unequal lengths are those of PEFT',
  async (one) => {
    const greedy: Greedy = readGolden(`decoders/${one.family}/methods/greedy.json`)[one.name];
    const { description, memory, method } = await openSaved(one);
    const attached = [attachMethod(method, description.architecture)];
    await using decoder = await openGenerator(description, {
      memory,
      methods: attached,
      open: runtime.open,
      threads: 1,
    });
    const made = await generate(decoder, { inputIds: greedy.prompts }, { max_new_tokens: 12 });
    expect(made.map(({ tokens }) => tokens)).toEqual(greedy.tokens);
  },
);

interface Start extends GoldenCurve {
  readonly settings: Record<string, unknown>;
}

const starts = families.flatMap((family) =>
  Object.entries<Start>(goldenOf(family).starts).map(([name, golden]) => ({ family, name, golden })),
);

test.each(starts)('from its own start the loss curve of $name over $family follows PEFT', async (one) => {
  const { init_lora_weights: init, fan_in_fan_out: _, ...given } = one.golden.settings;
  const method = methods.lora.settings.parse({ name: 'lora', ...given, init });
  const opened = await openDecoder(one.family, { method });
  expectLosses(await lossCurve(opened, one.golden.plan, { batches: curveBatches() }), one.golden);
});
