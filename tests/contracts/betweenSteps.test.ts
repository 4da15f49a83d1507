/** What a method may add to a step: a term of the loss that is there once, and work after each update. */
import { expect, test } from 'vitest';
import { chunks, collate } from '../../src/data/batch.ts';
import { mul, sumAll } from '../../src/engine/ops/index.ts';
import { checkpointOver } from '../../src/files/index.ts';
import { openCheckpoint, requireJson } from '../../src/files/modelFolder.node.ts';
import { describeModel } from '../../src/models/index.ts';
import { buildProgram, cutProgram, type Method } from '../../src/models/nn/index.ts';
import { classify } from '../../src/tasks/index.ts';
import {
  allocateParameters,
  loadParameters,
  type MicroBatch,
  openGuards,
  openTrainer,
  type Trainer,
  trainSteps,
} from '../../src/training/index.ts';
import { goldenFolder, relativeError, runtime } from '../golden/fixtures.ts';
import { goldenRows, optimizer } from '../golden/partial.ts';

const folder = `${goldenFolder}/bert-tiny/model`;
const strength = 0.3;
const limit = 0.02;

/** The head is trained: its weight is drawn towards 0, and its bias kept within a limit. */
const headOnly: Method = { name: 'head', trains: ({ head }) => head };
const drawn: Method = {
  ...headOnly,
  penalty(parameters) {
    const { tensor } = parameters.find(({ parameter: { name } }) => name === 'classifier.weight')!;
    return mul(sumAll(mul(tensor, tensor)), strength);
  },
};
const kept: Method = {
  ...headOnly,
  afterUpdate: ({ parameters }) => {
    const { name, shape } = parameters.find((parameter) => parameter.name === 'classifier.bias')!;
    return {
      remembers: [{ name: 'largest', shape }],
      run({ weightOf, gradientOf, gradientScale, remembered }) {
        const [bias, gradient, largest] = [weightOf(name), gradientOf(name), remembered('largest')];
        for (let i = 0; i < bias.length; i++) {
          bias[i] = Math.max(-limit, Math.min(limit, bias[i]!));
          largest[i] = Math.max(largest[i]!, Math.abs(gradient[i]! * gradientScale));
        }
      },
    };
  },
};

async function open(method: Method) {
  const description = describeModel(await requireJson(folder, 'config.json'), folder);
  const program = buildProgram(classify(description, { numLabels: 3 }), { methods: [method] });
  const parameters = program.parameters.map(({ parameter }) => parameter);
  const memory = allocateParameters(parameters);
  const base = { ...(await openCheckpoint(folder)), where: folder };
  await loadParameters(memory, parameters, { base, architecture: description.architecture, seed: 0 });
  await base.close();
  const trainer = await openTrainer(program, { memory, open: runtime.open, threads: 1, seed: 0, optimizer });
  return { program, memory, trainer };
}

type Opened = Awaited<ReturnType<typeof open>>;
const batchesOf = (rows: number): MicroBatch[] =>
  chunks(goldenRows().slice(0, 16), rows).map((batch) => collate(batch, 0));

async function meanGradient({ memory, trainer }: Opened, batches: readonly MicroBatch[]) {
  const { count, penalty } = await trainer.gradients(batches, 1);
  const { arrays } = memory.trained.get('classifier.weight')!;
  const summed = batches.length > 1 ? arrays.total : arrays.gradient;
  return { gradient: summed.map((value) => value / count), penalty, weight: arrays.weight };
}

test.each([
  ['one batch', 16],
  ['three batches of one step', 6],
])('a penalty is in the mean gradient once, over %s', async (_, rows) => {
  const [plain, penalised] = [await open(headOnly), await open(drawn)];
  const without = await meanGradient(plain, batchesOf(16));
  const found = await meanGradient(penalised, batchesOf(rows));
  expect(found.penalty).toBeCloseTo(strength * found.weight.reduce((sum, value) => sum + value * value, 0), 5);
  const expected = without.gradient.map((value, i) => value + 2 * strength * found.weight[i]!);
  expect(relativeError(found.gradient, expected)).toBeLessThan(1e-5);
  for (const { trainer } of [plain, penalised]) await trainer[Symbol.asyncDispose]();
});

test('a record has the loss of the data, and the penalty beside it', async () => {
  const opened = await open(drawn);
  const [first] = await run(opened.trainer, [0, 1]);
  const plain = await open(headOnly);
  const [other] = await run(plain.trainer, [0, 1]);
  expect(first!.loss).toBeCloseTo(other!.loss, 6);
  expect(first!.penalty).toBeGreaterThan(0);
  expect(other).not.toHaveProperty('penalty');
});

test('a program that is cut keeps both', async () => {
  const description = describeModel(await requireJson(folder, 'config.json'), folder);
  const method = { ...drawn, afterUpdate: kept.afterUpdate! };
  const program = buildProgram(classify(description, { numLabels: 3 }), { methods: [method] });
  const { above } = cutProgram(program, { dropsBelow: false })!;
  expect(above.penalty).toBe(program.penalty);
  expect(above.afterUpdate).toBe(program.afterUpdate);
});

const totalSteps = 6;

async function run(trainer: Trainer, [from, to]: readonly [number, number], guards?: ReturnType<typeof openGuards>) {
  const [batch] = batchesOf(16);
  const steps = Array.from({ length: to - from }, () => ({ batches: [batch!], epoch: 0, lastOfEpoch: false }));
  const schedule = { name: 'constant', learningRate: 0.01, warmupSteps: 0, totalSteps } as const;
  const records = [];
  for await (const record of trainSteps(trainer, steps, { schedule, maxGradientNorm: 0.1, firstStep: from, guards })) {
    records.push(record);
  }
  return records;
}

const stateOf = ({ trainer }: Opened) =>
  new Map(trainer.state().map(({ name, shape, data }) => [name, { shape, data: data.slice() }]));

test('after an update it writes weights, and reads the gradient that the optimizer saw', async () => {
  const opened = await open(kept);
  await run(opened.trainer, [0, totalSteps]);
  const { arrays } = opened.memory.trained.get('classifier.bias')!;
  expect(Math.max(...arrays.weight.map(Math.abs))).toBe(Math.fround(limit));
  const largest = opened.memory.remembered.get('largest')!.data;
  // The norm of all gradients is clipped at 0.1.
  expect(Math.max(...largest)).toBeGreaterThan(1e-3);
  expect(Math.max(...largest)).toBeLessThan(0.1);
});

test('what it remembers is in the state of a run, and a run that goes on from it has the same', async () => {
  const whole = await open(kept);
  await run(whole.trainer, [0, totalSteps]);
  const broken = await open(kept);
  await run(broken.trainer, [0, 3]);
  const state = stateOf(broken);
  expect(state.has('remembered.largest')).toBe(true);
  const resumed = await open(kept);
  await resumed.trainer.restore({ ...checkpointOver(state), where: 'state' });
  await run(resumed.trainer, [3, totalSteps]);
  expect(stateOf(resumed)).toEqual(stateOf(whole));
});

const broken = { loss: Number.NaN, gradientNorm: 1, rows: 16, learningRate: 0.01 };

/** A run of three steps, which is told to go back to them. */
async function wentBack({ snapshotBytes }: { readonly snapshotBytes?: number }) {
  const opened = await open(kept);
  const { trainer, memory } = opened;
  const lastGood = async () => undefined;
  const guards = openGuards({ trainer, memory, action: 'rollback', maxSkippedSteps: 0, lastGood, snapshotBytes });
  await run(trainer, [0, 3], guards);
  guards.keep();
  const good = stateOf(opened);
  await run(trainer, [3, 5], guards);
  expect(stateOf(opened)).not.toEqual(good);
  memory.remembered.get('largest')!.data.fill(7);
  const incident = await guards.judge({ step: 6, ...broken, batches: [batchesOf(16)[0]!] });
  expect(incident?.action).toBe('rollback');
  return { good, found: stateOf(opened) };
}

test('a run that goes back takes it back too', async () => {
  const { good, found } = await wentBack({});
  expect(found).toEqual(good);
});

test('a run that goes back to what is on disk forgets it, with the moments: they are of weights that are gone', async () => {
  const { found } = await wentBack({ snapshotBytes: 0 });
  const forgotten = [...found].filter(([name]) => /^(remembered|mean|square)\./.test(name));
  expect(forgotten.length).toBeGreaterThan(2);
  for (const [name, { data }] of forgotten)
    expect(
      data.every((value) => value === 0),
      name,
    ).toBe(true);
});
