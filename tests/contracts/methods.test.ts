/** What every fine-tuning method must keep, over every method and every architecture. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { chunks } from '../../src/data/batch.ts';
import type { Tensor } from '../../src/engine/graph/index.ts';
import type { Values } from '../../src/engine/runtime/index.ts';
import { type Checkpoint, checkpointOver } from '../../src/files/index.ts';
import { exportedTensors, mergedTensors } from '../../src/inference/merged.ts';
import { basePrecisionOf, type MethodName, type MethodSettings, methods } from '../../src/methods/index.ts';
import { plainSettings, rankAndScale } from '../../src/methods/lora.ts';
import { describeModel } from '../../src/models/index.ts';
import type { BasePrecision, Program } from '../../src/models/nn/index.ts';
import { readAdapter, type SavedAdapter, writeAdapter } from '../../src/store/adapters/index.ts';
import type { Loss } from '../../src/tasks/index.ts';
import {
  type MicroBatch,
  type ParameterMemory,
  parameterValues,
  type Trainer,
  trainSteps,
  valuesOf,
} from '../../src/training/index.ts';
import { folderOf, goldenRows, openDecoder, plainBatch } from '../golden/decoderModels.ts';
import { goldenFolder, relativeError, runtime } from '../golden/fixtures.ts';
import { goldenBatches, openPartial, trainerOf } from '../golden/partial.ts';
import { writeBlockDecoder } from './blockDecoders.ts';
import { everyInit, everyMethod, everyVariant } from './everyMethod.ts';

const folder = mkdtempSync(join(tmpdir(), 'attune-methods-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Opened {
  readonly program: Program<{ logits: Tensor; loss: Loss }>;
  readonly memory: ParameterMemory;
}

/** An architecture as a tiny model. */
interface TinyModel {
  readonly folder: string;
  readonly headModules: readonly string[];
  open(method: MethodSettings, adapter?: Checkpoint, basePrecision?: BasePrecision): Promise<Opened>;
  readonly batches: readonly MicroBatch[];
  /** The same with widths that are whole blocks, of which a base in 4 bits is made. */
  openInBlocks(method: MethodSettings): Promise<Opened>;
  /** Methods that have nothing to train there, and say so. */
  readonly without?: readonly MethodName[];
}

/** What a tokenizer would make of the text that a prompt starts from. */
const tokenIds = () => [2, 50, 3];

const bertModel = { folder: `${goldenFolder}/bert-tiny/model`, numLabels: 3 };
const decoderRows = goldenRows();
const decoderBatches = chunks(decoderRows, 6).map(plainBatch);
const blocks = { llama: join(folder, 'llama-blocks'), gpt2: join(folder, 'gpt2-blocks') };
beforeAll(async () => {
  for (const family of ['llama', 'gpt2'] as const) await writeBlockDecoder(family, blocks[family]);
});
const models: Record<string, TinyModel> = {
  bert: {
    folder: bertModel.folder,
    headModules: ['classifier'],
    open: (method, adapter, basePrecision) =>
      openPartial(method, { adapter, basePrecision, tokenIds, model: bertModel }),
    // All but its feed-forward layers.
    openInBlocks: (method) => openPartial(method, { tokenIds, model: bertModel }),
    batches: goldenBatches(),
  },
  llama: {
    folder: folderOf('llama'),
    headModules: [],
    open: (method, adapter, basePrecision) => openDecoder('llama', { method, adapter, basePrecision, tokenIds }),
    openInBlocks: (method) => openDecoder('llama', { method, tokenIds, folder: blocks.llama }),
    batches: decoderBatches,
    without: ['bitfit'],
  },
  gpt2: {
    folder: folderOf('gpt2'),
    headModules: [],
    open: (method, adapter, basePrecision) => openDecoder('gpt2', { method, adapter, basePrecision, tokenIds }),
    openInBlocks: (method) => openDecoder('gpt2', { method, tokenIds, folder: blocks.gpt2 }),
    batches: decoderBatches,
  },
};

/**
 * Their files say so: what the first three put before the text is read from the first step on, and LoftQ starts nearer to
 * the exact base than to the rounded one (tests/golden/loftq.test.ts).
 */
const changesStep0 = new Set([
  ...['prompt_tuning', 'prompt_tuning_text', 'prefix_tuning', 'prefix_projection', 'p_tuning'],
  'lora_loftq',
]);

const totalSteps = 5;
const pairs = Object.entries(models).flatMap(([model, tiny]) =>
  Object.entries({ ...everyMethod, ...everyInit, ...everyVariant }).map(([method, settings]) => ({
    model,
    method,
    tiny,
    settings,
  })),
);
const isOffered = ({ tiny, method }: (typeof pairs)[number]): boolean => !tiny.without?.includes(method as MethodName);

test.each(pairs.filter((pair) => !isOffered(pair)))('$method on $model is refused', async ({ tiny, settings }) => {
  await expect(tiny.open(settings)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});

describe.each(pairs.filter(isOffered))('$method on $model', ({ model, method, tiny, settings }) => {
  const { batches } = tiny;
  const open = (changes: object = {}): Promise<Opened> => tiny.open({ ...settings, ...changes } as MethodSettings);

  async function logitsOf({ program, memory }: Opened, changed: Values = {}): Promise<Float32Array> {
    await using session = await runtime.open({ logits: program.outputs.logits }, { threads: 1 });
    const result = await session.run({ ...parameterValues(program, memory), ...changed, ...batches[0]!.feeds });
    return result.logits!.data as Float32Array;
  }

  async function expectGradients(opened: Opened): Promise<void> {
    await using trainer = await trainerOf(opened);
    await trainer.gradients([batches[0]!], 1);
    for (const [name, { parameter, arrays }] of opened.memory.trained) {
      expect(arrays.gradient.every(Number.isFinite), name).toBe(true);
      const isMoved = arrays.gradient.some((value) => value !== 0);
      if (parameter.gradient !== 'never') expect(isMoved, name).toBe(true);
    }
  }

  async function train(opened: Opened, count: number): Promise<number[]> {
    await using trainer = await trainerOf(opened);
    return await steps(trainer, batches, [0, count]);
  }

  const isBaseFirst = !changesStep0.has(method);

  test.runIf(isBaseFirst)('step 0 is the base model', async () => {
    const base = await logitsOf(await tiny.open(everyMethod.full));
    expect(relativeError(await logitsOf(await open()), base)).toBeLessThan(1e-5);
  });

  test.skipIf(!('base_precision' in settings)).each(['int8', 'int4'] as const)(
    'over a base of %s it starts as that base, and every trained tensor has a gradient',
    async (precision) => {
      const openOver = precision === 'int4' ? tiny.openInBlocks : tiny.open;
      const base = await logitsOf(await openOver(nothingTrained(precision)));
      const opened = await openOver({ ...settings, base_precision: precision } as MethodSettings);
      expect(opened.memory.packed.size).toBeGreaterThan(0);
      const start = await logitsOf(opened);
      // Layers that are trained themselves are never rounded: that is another base.
      if (settings.name !== 'freeze' && isBaseFirst) expect(relativeError(start, base)).toBeLessThan(1e-4);
      await train(opened, 1);
      await expectGradients(opened);
    },
  );

  test('after a step every trained tensor has a finite gradient that is not zero', async () => {
    const opened = await open();
    await train(opened, 1);
    await expectGradients(opened);
  });

  test('training changes what is trained, and nothing else by a bit', async () => {
    const opened = await open();
    const frozen = new Map([...opened.memory.frozen].map(([name, data]) => [name, data.slice()]));
    const before = await logitsOf(opened);
    const losses = await train(opened, totalSteps);
    expect(relativeError(await logitsOf(opened), before)).toBeGreaterThan(1e-2);
    expect(losses.every(Number.isFinite)).toBe(true);
    for (const [name, data] of opened.memory.frozen) expect(data, name).toEqual(frozen.get(name));
  });

  test('a run that goes on from its state ends with the same bits', async () => {
    const whole = await open();
    await train(whole, totalSteps);
    const broken = await open();
    await using first = await trainerOf(broken);
    await steps(first, batches, [0, 2]);
    const state = new Map(first.state().map(({ name, data, shape }) => [name, { shape, data: data.slice() }]));
    const resumed = await open();
    await using second = await trainerOf(resumed);
    await second.restore({ ...checkpointOver(state), where: 'state' });
    await steps(second, batches, [2, totalSteps]);
    for (const [name, { arrays }] of whole.memory.trained) {
      expect(resumed.memory.trained.get(name)!.arrays.weight, name).toEqual(arrays.weight);
    }
  });

  /** What was trained, over a base that computes in floats, as what is merged does. */
  async function trainedInFloats(): Promise<Opened> {
    const opened = await open();
    await train(opened, totalSteps);
    if (basePrecisionOf(settings) === 'fp32') return opened;
    const tensors = new Map(savedOf(opened).map((tensor) => [tensor.name, tensor]));
    const adapter = checkpointOver(tensors);
    return await tiny.open(settings, adapter, 'fp32');
  }

  test('merged weights answer as the method does', async () => {
    const opened = await trainedInFloats();
    const { program, memory } = opened;
    if (program.merged.size === 0) {
      const isAdded = program.parameters.some(({ parameter }) => parameter.added);
      const merging = mergedTensors(program, { memory, open: runtime.open, threads: 1 });
      return isAdded ? expect(merging).rejects.toMatchObject({ code: 'EXPORT_UNSUPPORTED' }) : await merging;
    }
    // The table of embeddings scores tokens too there, and only what is looked up is changed.
    if (model === 'gpt2' && method === 'lora_embeddings') {
      const merging = mergedTensors(program, { memory, open: runtime.open, threads: 1 });
      return await expect(merging).rejects.toMatchObject({ code: 'EXPORT_UNSUPPORTED' });
    }
    const outputs = [...program.merged].map(([name, tensor]) => [`merged.${name}`, tensor] as const);
    await using session = await runtime.open(Object.fromEntries(outputs), { threads: 1 });
    const merged = await session.run(parameterValues(program, memory));
    const plain = await tiny.open(everyMethod.full);
    const own = parameterValues(program, memory);
    const weights = plain.program.parameters.map(({ parameter: { name } }) => [
      name,
      merged[`merged.${name}`] ?? own[name]!,
    ]);
    const answers = await logitsOf(plain, Object.fromEntries(weights));
    expect(relativeError(answers, await logitsOf(opened))).toBeLessThan(1e-5);
    return undefined;
  });

  test.skipIf(method === 'full')('saved, opened and saved again it is the same, byte for byte', async () => {
    const opened = await open();
    await train(opened, totalSteps);
    const [first, second] = [join(folder, `${model}-${method}`), join(folder, `${model}-${method}-again`)];
    await saveIn(first, opened, { method: settings, tiny });
    const adapter = (await readAdapter(first))!;
    expect(adapter.method).toEqual(settings.name === 'full' ? settings : expect.objectContaining(explicit(settings)));
    const checkpoint = await adapter.open();
    const again = await tiny.open(adapter.method, checkpoint);
    await checkpoint.close();
    expect(await logitsOf(again)).toEqual(await logitsOf(opened));
    await saveIn(second, again, { method: settings, tiny });
    for (const name of readdirSync(first)) {
      expect(readFileSync(join(second, name)).equals(readFileSync(join(first, name))), name).toBe(true);
    }
  });
});

async function steps(
  trainer: Trainer,
  batches: readonly MicroBatch[],
  [from, to]: readonly [number, number],
): Promise<number[]> {
  const wanted = Array.from({ length: to - from }, (_, i) => {
    return { batches: [batches[(from + i) % batches.length]!], epoch: 0, lastOfEpoch: false };
  });
  const schedule = { name: 'linear', learningRate: 0.01, warmupSteps: 0, totalSteps } as const;
  const losses: number[] = [];
  for await (const { loss } of trainSteps(trainer, wanted, { schedule, maxGradientNorm: 1, firstStep: from })) {
    losses.push(loss);
  }
  return losses;
}

/** A model in which every layer is rounded: a bias of the last norm is all that learns. */
const nothingTrained = (base_precision: 'int8' | 'int4'): MethodSettings =>
  methods.ln_tuning.settings.parse({ name: 'ln_tuning', base_precision });

const notKept = new Set([
  ...['base_precision', 'loraplus_lr_ratio', 'init', 'prompt_tuning_init', 'prompt_tuning_init_text'],
  ...['target_modules', 'feedforward_modules'],
]);

/** What a PEFT folder keeps of the settings: not how fast something learned, from what start, nor over what base. */
function explicit({ name, ...settings }: MethodSettings): object {
  return { name, ...Object.fromEntries(Object.entries(settings).filter(([key]) => !notKept.has(key))) };
}

/** What is trained, and what a method added. */
const savedOf = ({ program, memory }: Opened) =>
  program.parameters
    .filter(({ parameter: { trainable, added } }) => trainable || added)
    .map(({ parameter: { name, shape } }) => {
      return { name, shape, dtype: 'float32' as const, data: valuesOf(memory, name) };
    });

interface Saving {
  readonly method: MethodSettings;
  readonly tiny: TinyModel;
}

async function saveIn(path: string, { program, memory }: Opened, { method, tiny }: Saving): Promise<void> {
  mkdirSync(path);
  const { architecture, config } = describeModel(
    JSON.parse(readFileSync(join(tiny.folder, 'config.json'), 'utf8')),
    path,
  );
  const tensors = savedOf({ program, memory });
  const base = { name: 'base', reference: 'base', config_sha256: '', tokenizer_sha256: '' };
  const manifest = { task: 'text-classification', method, labels: ['a', 'b', 'c'], max_length: 32, base };
  const saved: SavedAdapter = {
    method,
    manifest: { format: 1, ...manifest, tensors: {}, fingerprint: [] },
    tensors,
    exported: await exportedTensors(program, { memory, open: runtime.open, threads: 1 }),
    facts: architecture,
    model: { type: architecture.modelType, className: 'BertForSequenceClassification', hiddenSize: config.hidden_size },
    headModules: tiny.headModules,
    weights: program.parameters.map(({ parameter }) => parameter),
    taskType: 'SEQ_CLS',
  };
  await writeAdapter(path, saved);
}

test('a prompt that starts from a text has the embeddings of its tokens, repeated', async () => {
  const given = { name: 'prompt_tuning', num_virtual_tokens: 5, prompt_tuning_init: 'text' };
  const method = methods.prompt_tuning.settings.parse({ ...given, prompt_tuning_init_text: 'three tokens' });
  const { program, memory } = await openPartial(method, { tokenIds });
  const { name } = program.parameters.find(({ parameter }) =>
    parameter.name.endsWith('word_embeddings.weight'),
  )!.parameter;
  const rows = chunks([...valuesOf(memory, name)], 32);
  expect([...valuesOf(memory, 'prompt_embeddings')]).toEqual([2, 50, 3, 2, 50].flatMap((id) => rows[id]!));
});

test.each([
  methods.full.settings.parse({ name: 'full', layer_lr_decay: 0.5 }),
  methods.lora.settings.parse({ name: 'lora', target_modules: 'all-linear', init: 'pissa', layer_lr_decay: 0.5 }),
])('layer_lr_decay of $name: each layer moves half as far as the one above it', async (method) => {
  const opened = await openPartial(method);
  const before = new Map([...opened.memory.trained].map(([name, { arrays }]) => [name, arrays.weight.slice()]));
  const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-12, weightDecay: 0 };
  await using trainer = await trainerOf(opened, optimizer);
  await steps(trainer, goldenBatches(), [0, 1]);
  // The first update of Adam is as long as the rate, in every place that has a gradient.
  for (const [name, { arrays, parameter }] of opened.memory.trained) {
    if (name.endsWith('key.bias')) continue;
    const moved = Math.max(...arrays.weight.map((value, i) => Math.abs(value - before.get(name)![i]!)));
    const layer = /layer\.(\d)\./.exec(name)?.[1];
    const below = layer === undefined ? (name.includes('embeddings') ? 4 : 0) : 3 - Number(layer);
    expect(moved / (0.01 * 0.5 ** below), `${name} at ${parameter.depth}`).toBeCloseTo(1, 2);
  }
});

test.each([
  ['prompt_tuning', {}],
  ['prefix_tuning', {}],
  ['prefix_tuning', { prefix_projection: true }],
  ['p_tuning', {}],
] as const)('%s %j has no layer_lr_decay: all that it adds is there once for all layers', async (name, changes) => {
  const { settings } = methods[name];
  expect(() => settings.parse({ name, layer_lr_decay: 0.5, ...changes })).toThrow('layer_lr_decay');
  const { memory } = await openPartial(settings.parse({ name, num_virtual_tokens: 3, ...changes }));
  const added = [...memory.trained.values()].filter(({ parameter }) => parameter.added);
  expect(added.length).toBeGreaterThan(0);
  for (const { parameter } of added) expect(parameter.depth, parameter.name).toBe(Number.POSITIVE_INFINITY);
});

test.each(['pissa', 'olora'] as const)('%s leaves a plain LoRA of the same scale, over r or its root', (init) => {
  for (const use_rslora of [false, true]) {
    const patterns = { rank_pattern: { value: 6 }, alpha_pattern: { value: 5 } };
    const method = methods.lora.settings.parse({ name: 'lora', r: 3, lora_alpha: 7, use_rslora, init, ...patterns });
    for (const path of ['a.query', 'a.value']) {
      const [own, plain] = [rankAndScale(method, path), rankAndScale(plainSettings(method), path)];
      expect(plain.rank).toBe(2 * own.rank);
      expect(plain.scale).toBeCloseTo(own.scale, 12);
    }
  }
});

test.each(['lora', 'ln_tuning', 'ia3', 'vera'] as const)(
  '%s trains what lies in modules_to_save, however deep',
  async (name) => {
    const method = methods[name].settings.parse({ name, modules_to_save: ['pooler'] });
    const { memory } = await openPartial(method);
    const pooler = [...memory.trained.keys()].filter((key) => key.includes('pooler'));
    expect(pooler).toEqual(['bert.pooler.dense.weight', 'bert.pooler.dense.bias']);
    const unknown = methods[name].settings.parse({ name, modules_to_save: ['poler'] });
    await expect(openPartial(unknown)).rejects.toMatchObject({ where: 'method.modules_to_save' });
  },
);
