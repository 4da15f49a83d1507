/** A program cut where its frozen part ends learns what the uncut one learns. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { chunks, collate, type EncodedRow } from '../../src/data/batch.ts';
import { openCheckpoint, requireJson } from '../../src/files/modelFolder.node.ts';
import { attachMethod, type MethodSettings, methods, parseMethod } from '../../src/methods/index.ts';
import { describeModel } from '../../src/models/index.ts';
import { batchInputsOf, buildProgram, cutProgram } from '../../src/models/nn/index.ts';
import { openScratchFile } from '../../src/store/runs/index.ts';
import { classify } from '../../src/tasks/index.ts';
import {
  allocateParameters,
  featureBytes,
  loadParameters,
  type MicroBatch,
  openFeatures,
  openTrainer,
  trainSteps,
  valuesOf,
} from '../../src/training/index.ts';
import { goldenFolder, readGolden, relativeError, runtime } from './fixtures.ts';

const folder = `${goldenFolder}/bert-tiny/model`;
const description = describeModel(await requireJson(folder, 'config.json'), folder);
const scratch = mkdtempSync(join(tmpdir(), 'attune-features-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const head: MethodSettings = methods.freeze.settings.parse({ name: 'freeze', trainable: 'head' });
const last: MethodSettings = methods.freeze.settings.parse({ name: 'freeze', trainable: 1 });
const lora = (...targets: string[]) =>
  parseMethod({ name: 'lora', target_modules: targets } as { name: string }, 'test');

function build(method: MethodSettings, rate?: number) {
  const dropoutRate = rate === undefined ? undefined : () => rate;
  return buildProgram(classify(description, { numLabels: 3 }), {
    methods: [attachMethod(method, description.architecture)],
    dropoutRate,
  });
}
type Built = ReturnType<typeof build>;
const cutOf = (program: Built, dropsBelow = false) => cutProgram(program, { dropsBelow });
const shapesOf = (program: Built, dropsBelow?: boolean) =>
  Object.values(cutOf(program, dropsBelow)?.below.outputs ?? {}).map(({ shape }) => shape);

describe('the cut', () => {
  test('of a head keeps one vector a row; of the last layer one a token; of everything, and of LoRA, nothing', () => {
    expect(shapesOf(build(head))).toEqual([['batch', 32]]);
    expect(shapesOf(build(last))).toEqual([['batch', 'tokens', 32]]);
    expect(cutOf(build({ name: 'full' }))).toBeUndefined();
    expect(cutOf(build(lora('query', 'value')))).toBeUndefined();
  });

  test('of LoRA in the last layer keeps what enters that layer, and how the first token looks at the others', () => {
    const [entering, looking] = [
      ['batch', 'tokens', 32],
      ['batch', 4, 1, 'tokens'],
    ];
    expect(shapesOf(build(lora('layer.2.attention.self.value')))).toEqual([entering, looking]);
  });

  test('leaves to each part only what it reads', () => {
    const { below, above } = cutOf(build(head))!;
    expect(above.parameters.map(({ parameter }) => parameter.name).sort()).toEqual([
      'classifier.bias',
      'classifier.weight',
    ]);
    expect(below.parameters.some(({ parameter }) => parameter.trainable)).toBe(false);
    expect(
      batchInputsOf(above)
        .map(({ name }) => name)
        .sort(),
    ).toEqual(['features.0', 'labels']);
    const names = batchInputsOf(cutOf(build(last))!.above).map(({ name }) => name);
    expect(names.sort()).toEqual(['attention_mask', 'features.0', 'labels']);
  });

  test('takes dropout away below it, and only there', () => {
    const masksOf = (method: MethodSettings) => cutOf(build(method, 0.1))!.above.masks.map(({ name }) => name);
    expect(cutOf(build(head, 0.1))!.below.masks).toEqual([]);
    expect(masksOf(head)).toEqual(['dropout.classifier']);
    expect(masksOf(last).every((name) => /layer\.2|classifier/.test(name))).toBe(true);
    expect(masksOf(last)).toHaveLength(4);
    expect(cutOf(build(head, 0.1))!.whole.masks.map(({ name }) => name)).toEqual(['dropout.classifier']);
  });

  test('is not made where dropout is to stay below it', () => {
    expect(cutOf(build(head, 0.1), true)).toBeUndefined();
    expect(shapesOf(build(head, 0), true)).toEqual([['batch', 32]]);
  });
});

interface GoldenRow {
  input_ids: number[];
  token_type_ids: number[];
  label: number;
}
const rows = (readGolden('bert-tiny/curve.json').rows as GoldenRow[]).map(
  ({ input_ids, token_type_ids, label }): EncodedRow => ({ inputIds: input_ids, tokenTypeIds: token_type_ids, label }),
);
const members = chunks([...rows.keys()], 8);
const plan = readGolden('freeze-tiny/head.json').plan;
const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };

async function openMemory({ parameters }: Built) {
  const all = parameters.map(({ parameter }) => parameter);
  const memory = allocateParameters(all);
  const base = { ...(await openCheckpoint(folder)), where: folder };
  await loadParameters(memory, all, { base, architecture: description.architecture, seed: 0 });
  await base.close();
  return memory;
}
type Memory = Awaited<ReturnType<typeof openMemory>>;

/** Losses of twenty steps, and the trained weights after them. */
async function learn(program: Built, memory: Memory, batchOf: (batch: number[]) => Promise<MicroBatch> | MicroBatch) {
  const steps = (async function* () {
    for (let step = 0; step < 20; step++) {
      yield { batches: [await batchOf(members[step % members.length]!)], epoch: 0, lastOfEpoch: false };
    }
  })();
  await using trainer = await openTrainer(program, { memory, open: runtime.open, threads: 1, seed: 5, optimizer });
  const schedule = { name: 'linear', learningRate: plan.learning_rate, warmupSteps: 2, totalSteps: 20 } as const;
  const losses: number[] = [];
  for await (const { loss } of trainSteps(trainer, steps, { schedule, maxGradientNorm: 1 })) losses.push(loss);
  const weights = new Map([...memory.trained.keys()].map((name) => [name, valuesOf(memory, name).slice()]));
  return { losses, weights };
}

const plainBatch = (batch: number[]) =>
  collate(
    batch.map((row) => rows[row]!),
    0,
  );

/** The same from features. `share` of them fits into memory, the rest goes to a file. */
async function learnFromFeatures(program: Built, { share, batchSize }: { share: number; batchSize: number }) {
  const cut = cutOf(program)!;
  const memory = await openMemory(program);
  let stored = 0;
  using file = openScratchFile(scratch);
  const openStorage = () => ({
    read: file.read,
    write(values: Float32Array, at: number) {
      stored += values.byteLength;
      file.write(values, at);
    },
  });
  const memoryBytes = share * featureBytes(cut.below.outputs, rows);
  const options = { memory, open: runtime.open, threads: 1, padTokenId: 0, batchSize, memoryBytes, openStorage };
  await using features = await openFeatures(cut, rows, options);
  const learned = await learn(cut.above, memory, async (batch) => {
    await features.prepare(batch);
    return { feeds: features.feeds(batch), rows: batch.length, tokens: 1 };
  });
  return { ...learned, stored: stored / featureBytes(cut.below.outputs, rows) };
}

// Groups of 8 rows of like length, of 5, and of all: padded otherwise each time, and never as the batches are.
const ways: [string, { share: number; batchSize: number }][] = [
  ['memory', { share: 1, batchSize: 8 }],
  ['a file', { share: 0, batchSize: 5 }],
  ['both', { share: 0.5, batchSize: 5 }],
  ['memory, from one batch', { share: 1, batchSize: 1000 }],
];

describe.each([
  ['head', head],
  ['the last layer', last],
] as const)('%s', (_, method) => {
  const uncut = build(method);
  const curve = openMemory(uncut).then((memory) => learn(uncut, memory, plainBatch));

  test.each(ways)('from features in %s follows the uncut curve to the same weights', async (__, options) => {
    const expected = await curve;
    const found = await learnFromFeatures(build(method), options);
    expect(Math.abs(1 - options.share - found.stored)).toBeLessThan(0.3);
    expectSameCurve(found.losses, expected.losses);
    expect([...found.weights.keys()]).toEqual([...expected.weights.keys()]);
    for (const [name, values] of found.weights) {
      expect(relativeError(values, expected.weights.get(name)!), name).toBeLessThan(1e-5);
    }
  });

  test('with dropout above the cut draws the masks of the uncut program', async () => {
    const program = build(method, 0.1);
    const expected = await learn(cutOf(program)!.whole, await openMemory(program), plainBatch);
    const { losses } = await learnFromFeatures(program, { share: 1, batchSize: 8 });
    expectSameCurve(losses, expected.losses);
    expect(Math.abs(losses[5]! / (await curve).losses[5]! - 1)).toBeGreaterThan(1e-3);
  });
});

function expectSameCurve(found: readonly number[], expected: readonly number[]): void {
  expect(found).toHaveLength(20);
  found.forEach((loss, i) => {
    expect(Math.abs(loss / expected[i]! - 1), `step ${i + 1}`).toBeLessThan(1e-6);
  });
}

test('an aborted signal ends the computing between two groups', async () => {
  const program = build(head);
  const memory = await openMemory(program);
  const openStorage = () => openScratchFile(scratch);
  const options = {
    memory,
    open: runtime.open,
    threads: 1,
    padTokenId: 0,
    batchSize: 8,
    memoryBytes: 1e9,
    openStorage,
  };
  await using features = await openFeatures(cutOf(program)!, rows, options);
  expect(await features.prepare([0], AbortSignal.abort())).toBe(false);
  expect(() => features.feeds([0])).toThrow('not prepared');
  expect(await features.prepare([0])).toBe(true);
  expect(await features.prepare([0], AbortSignal.abort())).toBe(true);
});
