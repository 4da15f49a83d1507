/** The guards on a real model: nothing of what was good is lost, and what went wrong is named. */
import { describe, expect, test } from 'vitest';
import { type BatchFeeds, chunks, collate } from '../../src/data/batch.ts';
import { type MethodSettings, methods } from '../../src/methods/index.ts';
import { type Guards, openGuards, type StepOutcome, trainSteps, valuesOf } from '../../src/training/index.ts';
import { goldenRows, openPartial, trainerOf } from '../golden/partial.ts';

type Opened = Awaited<ReturnType<typeof openPartial>>;
type Action = 'skip' | 'rollback' | 'stop';
const lora = methods.lora.settings.parse({ name: 'lora' });
const full = methods.full.settings.parse({ name: 'full' });
const rows = goldenRows();
const batches = chunks(rows, 8).map((batch) => collate(batch, 0));
const [poisonedStep, poisonedRow] = [7, 3];
/** A token that no other row has, at a place that no other row reaches. */
const [RARE, FAR] = [98, 35];

/** The batch with one row in which that token stands. */
function poisoned(): BatchFeeds {
  const changed = rows.slice(0, 8).map((row, i) => {
    if (i !== poisonedRow) return row;
    const inputIds = Array.from({ length: FAR + 1 }, (_, at) => (at === FAR ? RARE : (row.inputIds[at] ?? 5)));
    return { ...row, inputIds, tokenTypeIds: inputIds.map(() => 0) };
  });
  return collate(changed, 0);
}

/** Both embeddings are finite, but their sum is not: layer norms bear anything else. */
function makeHuge({ memory }: Opened): void {
  const rowOf = { word_embeddings: RARE, position_embeddings: FAR };
  for (const [table, row] of Object.entries(rowOf)) {
    valuesOf(memory, `bert.embeddings.${table}.weight`).fill(3e38, row * 32, row * 32 + 32);
  }
}

const weightsOf = ({ memory }: Opened) =>
  new Map([...memory.trained].map(([name, { arrays }]) => [name, arrays.weight.slice()]));

interface Run {
  readonly method?: MethodSettings;
  readonly action?: Action;
  readonly poisonAt?: readonly number[];
  readonly steps?: number;
  readonly learningRate?: number;
  readonly snapshotBytes?: number | undefined;
  /** Sees the model before training, and after each step. */
  readonly prepare?: (opened: Opened) => void;
  readonly each?: (opened: Opened, outcome: StepOutcome, guards: Guards) => void;
}

async function run({ method = lora, action = 'skip', poisonAt = [], steps = 12, ...others }: Run) {
  const { learningRate = 0.01, snapshotBytes, prepare, each } = others;
  const opened = await openPartial(method);
  makeHuge(opened);
  prepare?.(opened);
  const start = weightsOf(opened);
  const asked: boolean[] = [];
  const lastGood = async ({ further }: { further: boolean }): Promise<void> => {
    asked.push(further);
    for (const [name, values] of start) opened.memory.trained.get(name)!.arrays.weight.set(values);
  };
  await using trainer = await trainerOf(opened);
  const guards = openGuards({ trainer, memory: opened.memory, action, maxSkippedSteps: 5, lastGood, snapshotBytes });
  const schedule = { name: 'constant', learningRate, warmupSteps: 0, totalSteps: steps } as const;
  const plan = Array.from({ length: steps }, (_, i) => ({
    batches: [poisonAt.includes(i + 1) ? poisoned() : batches[i % batches.length]!],
    rows: [0, 1, 2, 3, 4, 5, 6, 7].map((row) => row + 8 * (i % batches.length)),
    epoch: 0,
    lastOfEpoch: false,
  }));
  const outcomes: StepOutcome[] = [];
  for await (const outcome of trainSteps(trainer, plan, { schedule, maxGradientNorm: 1, guards })) {
    outcomes.push(outcome);
    each?.(opened, outcome, guards);
  }
  return { opened, outcomes, guards, asked, weights: weightsOf(opened) };
}

const incidentsOf = ({ outcomes }: { outcomes: StepOutcome[] }) => outcomes.flatMap(({ incident }) => incident ?? []);

test.each([
  ['full', full],
  ['lora', lora],
  ['freeze', methods.freeze.settings.parse({ name: 'freeze', trainable: 1 })],
] as const)('a healthy run of %s has no incident', async (_, method) => {
  expect(incidentsOf(await run({ method, steps: 60 }))).toEqual([]);
});

describe('a row whose loss is not finite', () => {
  test('is skipped: the weights stay as they are, and the step names the layer and the row', async () => {
    const seen: Map<string, Float32Array>[] = [];
    const finished = await run({
      poisonAt: [poisonedStep],
      each: (opened) => seen.push(weightsOf(opened)),
    });
    expect(incidentsOf(finished)).toEqual([
      expect.objectContaining({
        step: poisonedStep,
        action: 'skip',
        kind: 'not_finite',
        layer: 'bert.embeddings.position_embeddings (add)',
        rows: [poisonedRow],
      }),
    ]);
    expect(seen[poisonedStep - 1]).toEqual(seen[poisonedStep - 2]);
    expect(seen[poisonedStep]).not.toEqual(seen[poisonedStep - 1]);
    expect(finished.guards.updates()).toBe(11);
    for (const [name, values] of finished.weights) expect(values.every(Number.isFinite), name).toBe(true);
  });

  test('leaves the optimizer as if the step had not been', async () => {
    const withPoison = await run({ poisonAt: [5], steps: 5 });
    const without = await run({ steps: 4 });
    expect(withPoison.weights).toEqual(without.weights);
  });

  test.each([
    ['a copy in memory', lora, undefined],
    ['a copy in memory, every weight', full, undefined],
    ['what is on disk, where a copy would be too large', full, 1000],
  ] as const)('sends the run back to %s: by the bit, with half the rate', async (_, method, snapshotBytes) => {
    const seen: Map<string, Float32Array>[] = [];
    const { outcomes } = await run({
      method,
      snapshotBytes,
      action: 'rollback',
      poisonAt: [3],
      steps: 4,
      each: (opened) => seen.push(weightsOf(opened)),
    });
    const start = (await run({ method, steps: 0 })).weights;
    expect(outcomes[2]!.incident).toMatchObject({ action: 'rollback', rateScale: 0.5 });
    expect(seen[2]).toEqual(start);
    expect(outcomes[3]!.learningRate).toBeCloseTo(0.005, 12);
    // The next update starts from clean moments: Adam's first step is as long as the rate.
    for (const name of ['classifier.bias', 'bert.pooler.dense.bias'].filter((one) => start.has(one))) {
      const moved = seen[3]!.get(name)!.map((value, i) => Math.abs(value - start.get(name)![i]!));
      moved.forEach((distance, i) => {
        expect(distance, `${name} ${i}`).toBeCloseTo(0.005, 5);
      });
    }
  });

  test('ends the run at once where that is asked for', async () => {
    const finished = await run({ action: 'stop', poisonAt: [3] });
    expect(finished.outcomes.map(({ incident }) => incident?.action)).toEqual([undefined, undefined, 'stop']);
  });
});

test('weights that are not finite are named, and not skipped', async () => {
  const finished = await run({
    steps: 3,
    each({ memory }, { step }) {
      if (step === 2) memory.trained.get('classifier.weight')!.arrays.weight[5] = Number.NaN;
    },
  });
  expect(finished.outcomes[2]!.incident).toMatchObject({ action: 'rollback', layer: 'the weight classifier.weight' });
  expect(finished.weights.get('classifier.weight')!.every(Number.isFinite)).toBe(true);
});

test('a run that breaks down is stopped after three ways back', async () => {
  const poisonAt = Array.from({ length: 100 }, (_, i) => i + 3);
  const actions = incidentsOf(await run({ poisonAt, steps: 100 })).map(({ action }) => action);
  expect(actions).toHaveLength(5 + 3 * 6 + 1);
  expect(actions.filter((action) => action === 'rollback')).toHaveLength(3);
  expect(actions.at(-1)).toBe('stop');
});

test('a second way back over the disk goes further where the first did no good', async () => {
  const settings = { action: 'rollback', snapshotBytes: 0, steps: 6 } as const;
  expect((await run({ ...settings, poisonAt: [3, 4] })).asked).toEqual([false, true]);
  expect((await run({ ...settings, poisonAt: [3, 5] })).asked).toEqual([false, false]);
});

test('after a way back the same run has the same bits', async () => {
  const settings = { action: 'rollback', poisonAt: [9, 24], steps: 30 } as const;
  const [one, two] = [await run(settings), await run(settings)];
  expect(incidentsOf(one)).toHaveLength(2);
  expect(two.weights).toEqual(one.weights);
  expect(two.guards.state()).toEqual(one.guards.state());
});

test('the state is plain data, and another run goes on from it', async () => {
  const half = await run({ poisonAt: [3], steps: 6 });
  const saved = JSON.parse(JSON.stringify(half.guards.state()));
  expect(saved).toEqual(half.guards.state());
  const other = await run({ steps: 0 });
  other.guards.restore(saved);
  expect(other.guards.updates()).toBe(5);
  expect(other.guards.state()).toEqual({ ...saved, keptAt: 6 });
});

describe('a trained tensor that no gradient reaches', () => {
  /** With A at zero nothing reaches B, and with B at zero nothing reaches A. */
  const cut = ({ memory }: Opened): void => {
    for (const [name, { arrays }] of memory.trained)
      if (name.endsWith('layer.1.attention.self.value.lora_A.weight')) arrays.weight.fill(0);
  };

  test('stops the first step, and is named', async () => {
    const [incident] = incidentsOf(await run({ prepare: cut }));
    expect(incident).toMatchObject({
      step: 1,
      action: 'stop',
      kind: 'no_gradient',
      tensors: ['bert.encoder.layer.1.attention.self.value.lora_B.weight'],
    });
  });

  test('stops the second step where it may start without one', async () => {
    // B learns nothing from its first step when the rate is 0: A is waited for.
    expect(incidentsOf(await run({ learningRate: 0 }))).toEqual([]);
    const back = ({ memory }: Opened): void => {
      for (const [name, { arrays }] of memory.trained) if (name.endsWith('lora_B.weight')) arrays.weight.fill(0);
    };
    const [incident] = incidentsOf(await run({ each: back }));
    expect(incident).toMatchObject({ step: 2, kind: 'no_gradient' });
    expect(incident!.tensors).toHaveLength(6);
    expect(incident!.tensors!.every((name) => name.endsWith('lora_A.weight'))).toBe(true);
  });

  test.each([
    ['adapter', { reduction_factor: 32 }, /adapter_down\.bias$/],
    ['p_tuning', { num_virtual_tokens: 3, encoder_hidden_size: 2 }, /mlp_head\.2\.bias$/],
  ] as const)(
    'is no mistake of %s whose ReLU is silent: the bias behind it moves on',
    async (name, changes, before) => {
      const method = methods[name].settings.parse({ name, ...changes });
      const silence = ({ memory }: Opened): void => {
        for (const [tensor, { arrays }] of memory.trained) if (before.test(tensor)) arrays.weight.fill(-1e3);
      };
      const { outcomes, opened } = await run({ method, steps: 3, prepare: silence });
      expect(outcomes.flatMap(({ incident }) => incident ?? [])).toEqual([]);
      const behind = [...opened.memory.trained].filter(([tensor]) => /adapter_up\.bias|mlp_head\.4\.bias/.test(tensor));
      expect(behind.length).toBeGreaterThan(0);
      for (const [tensor, { arrays }] of behind)
        expect(
          arrays.gradient.some((value) => value !== 0),
          tensor,
        ).toBe(true);
    },
  );
});
