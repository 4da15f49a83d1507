/** AdaLoRA's ranks: how many are left, what is saved of them, and schedules that do not fit a run. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { requireJson } from '../../src/files/modelFolder.node.ts';
import { methods, settledMethod } from '../../src/methods/index.ts';
import { bert } from '../../src/models/bert.ts';
import { ADAPTER_CONFIG, readAdapter, writePeftFolder } from '../../src/store/adapters/index.ts';
import { parameterValues, type Trainer, trainSteps, valuesOf } from '../../src/training/index.ts';
import { relativeError, runtime } from '../golden/fixtures.ts';
import { goldenBatches, openPartial, trainerOf } from '../golden/partial.ts';

const folder = mkdtempSync(join(tmpdir(), 'attune-adalora-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const batches = goldenBatches();
const totalSteps = 8;
const given = { name: 'adalora', init_r: 4, target_r: 1, tinit: 1, tfinal: 3, deltaT: 2, lora_alpha: 40 } as const;
const method = methods.adalora.settings.parse({ ...given, total_step: totalSteps });
/** Query and value of three layers. */
const layers = 6;

type Opened = Awaited<ReturnType<typeof openPartial>>;

const ranksOf = ({ memory }: Opened): number =>
  [...memory.trained]
    .filter(([name]) => name.endsWith('.lora_E'))
    .flatMap(([, { arrays }]) => [...arrays.weight])
    .filter((value) => value !== 0).length;

async function train(trainer: Trainer, count: number): Promise<void> {
  const steps = Array.from({ length: count }, (_, i) => {
    return { batches: [batches[i % batches.length]!], epoch: 0, lastOfEpoch: false };
  });
  const schedule = { name: 'constant', learningRate: 0.01, warmupSteps: 0, totalSteps } as const;
  for await (const { loss } of trainSteps(trainer, steps, { schedule, maxGradientNorm: 1 })) {
    expect(loss).toBeGreaterThan(0);
  }
}

async function trained(count: number, settings: typeof method = method): Promise<Opened> {
  const opened = await openPartial(settings);
  await using trainer = await trainerOf(opened);
  await train(trainer, count);
  return opened;
}

async function logitsOf({ program, memory }: Opened): Promise<Float32Array> {
  await using session = await runtime.open({ logits: program.outputs.logits }, { threads: 1 });
  const result = await session.run({ ...parameterValues(program, memory), ...batches[0]!.feeds });
  return result.logits!.data as Float32Array;
}

/** A folder for PEFT alone. */
async function savedForPeft(name: string, { program, memory }: Opened) {
  const path = join(folder, name);
  mkdirSync(path);
  const tensors = program.parameters
    .filter(({ parameter }) => parameter.trainable)
    .map(({ parameter }) => {
      return { ...parameter, dtype: 'float32' as const, data: valuesOf(memory, parameter.name) };
    });
  const saving = { method, taskType: 'SEQ_CLS', baseName: 'base', tensors, facts: bert, headModules: ['classifier'] };
  const isWhole = await writePeftFolder(path, saving);
  const config = (await requireJson(path, ADAPTER_CONFIG)) as { rank_pattern: Record<string, boolean[]> | null };
  return { path, isWhole, pattern: config.rank_pattern };
}

describe('ranks', () => {
  test('are all there until tinit, and as many as the target after the last choice', async () => {
    expect(ranksOf(await trained(1))).toBe(4 * layers);
    expect(ranksOf(await trained(5))).toBe(layers);
    expect(ranksOf(await trained(totalSteps))).toBe(layers);
  });

  test('are kept in a run of one step, in which nothing is known of them', async () => {
    const { tinit: _, tfinal: __, ...open } = given;
    const settings = settledMethod(methods.adalora.settings.parse(open), { totalSteps: 1 });
    expect(ranksOf(await trained(1, settings as typeof method))).toBe(4 * layers);
  });

  test('that were given up come back between two choices, and not after the last', async () => {
    expect(ranksOf(await trained(2))).toBeLessThan(4 * layers);
    expect(ranksOf(await trained(3))).toBe(4 * layers);
  });

  test('are settled at the next step where the last choice was left out', async () => {
    const opened = await openPartial(method);
    await using trainer = await trainerOf(opened);
    await train(trainer, 3);
    const { count } = await trainer.gradients([batches[0]!], 6);
    trainer.update({ step: 6, updates: 4, learningRate: 0.01, gradientScale: 1 / count });
    expect(ranksOf(opened)).toBe(layers);
  });
});

describe('for PEFT', () => {
  test('a rank that was given up is left out, and the folder answers the same', async () => {
    const opened = await trained(totalSteps);
    const { path, isWhole, pattern } = await savedForPeft('pruned', opened);
    expect(isWhole).toBe(false);
    expect(Object.values(pattern!).flat().filter(Boolean)).toHaveLength(layers);
    const adapter = (await readAdapter(path))!;
    expect(adapter.method).toMatchObject({ ...given, rank_pattern: pattern });
    const checkpoint = await adapter.open();
    const again = await openPartial(adapter.method, { adapter: checkpoint });
    await checkpoint.close();
    expect(relativeError(await logitsOf(again), await logitsOf(opened))).toBeLessThan(1e-6);
  });

  test('of ranks that come and go, what answers is saved', async () => {
    expect(await savedForPeft('between', await trained(3))).toMatchObject({ isWhole: true, pattern: null });
  });

  test('what has learned nothing is saved whole', async () => {
    expect(await savedForPeft('start', await openPartial(method))).toMatchObject({ isWhole: true, pattern: null });
  });
});

test('a schedule in steps is made of the length of the run, where the recipe leaves it open', () => {
  const open = methods.adalora.settings.parse({ name: 'adalora' });
  expect(settledMethod(open, { totalSteps: 500 })).toMatchObject({ total_step: 500, tinit: 50, tfinal: 200 });
  expect(settledMethod(open, { totalSteps: 1 })).toMatchObject({ total_step: 1, tinit: 0, tfinal: 0 });
});

test.each([
  [{ target_r: 16 }, 'method.target_r'],
  [{ tinit: 60, tfinal: 40 }, 'method.tinit'],
  [{ total_step: 400, tfinal: 100 }, 'method.total_step'],
])('%j does not fit a run of 100 steps', (changes, where) => {
  const settings = methods.adalora.settings.parse({ name: 'adalora', ...changes });
  expect(() => settledMethod(settings, { totalSteps: 100 })).toThrow(expect.objectContaining({ where }));
});

const path = 'bert.encoder.layer.0.attention.self.query.lora_E';

test.each([
  [{ [path.replace('0', '7')]: [true] }, /matches nothing/],
  [{ [path]: [true, false] }, /has 2 entries/],
])('ranks that fit no layer are refused: %j', async (rank_pattern, problem) => {
  const settings = methods.adalora.settings.parse({ ...given, rank_pattern });
  await expect(openPartial(settings)).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    problem: expect.stringMatching(problem),
  });
});
