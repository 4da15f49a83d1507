/** A small BERT against PyTorch: logits, every gradient, 50 steps of training. */
import { expect, test } from 'vitest';
import { chunks, collate, type EncodedRow } from '../../src/data/batch.ts';
import type { Value, Values } from '../../src/engine/runtime/index.ts';
import { openTrainer, trainSteps } from '../../src/training/index.ts';
import { feedsOf, goldenFolder, openClassifier, readGolden, readTensors, relativeError, runtime } from './fixtures.ts';

const folder = `${goldenFolder}/bert-tiny/model`;
const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
async function logitsOf(changes: object, feeds: Values): Promise<Float32Array> {
  const { program, memory } = await openClassifier(folder, 3, changes);
  await using session = await runtime.open({ logits: program.outputs.logits }, { threads: 1 });
  const weights = [...memory.trained].map(([name, { parameter, arrays }]): [string, Value] => [
    name,
    { dtype: 'float32', shape: parameter.shape, data: arrays.weight },
  ]);
  return (await session.run({ ...Object.fromEntries(weights), ...feeds })).logits!.data as Float32Array;
}

test('every weight of the folder is used and none is missing', async () => {
  const { loaded } = await openClassifier(folder, 3);
  expect(loaded).toEqual({ fresh: [], unused: [] });
});

test('logits equal PyTorch', async () => {
  const golden = await readTensors('bert-tiny/step0.safetensors');
  expect(relativeError(await logitsOf({}, feedsOf(golden)), golden.get('logits')!.data)).toBeLessThan(1e-5);
});

test('every gradient at step 0 equals PyTorch', async () => {
  const golden = await readTensors('bert-tiny/step0.safetensors');
  const { program, memory } = await openClassifier(folder, 3);
  await using trainer = await openTrainer(program, { memory, open: runtime.open, threads: 1, seed: 0, optimizer });
  const loss = await trainer.gradients([{ feeds: feedsOf(golden), rows: 4, tokens: 44 }], 1);
  expect(loss.count).toBe(4);
  expect(relativeError([loss.sum], golden.get('loss_sum')!.data)).toBeLessThan(1e-5);
  const largest = Math.max(...[...memory.trained.keys()].map((name) => norm(golden.get(`gradient.${name}`)!.data)));
  for (const [name, { arrays }] of memory.trained) {
    const expected = golden.get(`gradient.${name}`)!.data;
    // The gradient of a key's bias is zero in exact arithmetic: only rounding can be compared there.
    const floor = name.endsWith('key.bias') ? largest : 1e-30;
    expect(relativeError(arrays.gradient, expected, floor), name).toBeLessThan(1e-4);
  }
  expect(memory.trained.size).toBe([...golden.keys()].filter((key) => key.startsWith('gradient.')).length);
});

const norm = (data: Float32Array): number => Math.hypot(...data);

const variants = readGolden('bert-tiny/variants.json');
test.each(Object.keys(variants.variants))('logits of the variant %s equal PyTorch', async (name) => {
  const golden = await readTensors('bert-tiny/variants.safetensors');
  const { hidden_act } = variants.variants[name];
  const logits = await logitsOf({ hidden_act }, feedsOf(golden, `${name}.input`));
  expect(relativeError(logits, golden.get(`${name}.logits`)!.data)).toBeLessThan(1e-5);
});

interface GoldenRow {
  input_ids: number[];
  token_type_ids: number[];
  label: number;
}

/** 50 steps; `parts` are the sizes of the micro-batches of each step. */
async function curve(parts: readonly number[], maxGradientNorm: number) {
  const { rows, plan } = readGolden('bert-tiny/curve.json');
  const encoded = (rows as GoldenRow[]).map(
    ({ input_ids, token_type_ids, label }): EncodedRow => ({
      inputIds: input_ids,
      tokenTypeIds: token_type_ids,
      label,
    }),
  );
  const batchesOfStep = (step: number) => {
    const batch = chunks(encoded, 8)[step % 5]!;
    let start = 0;
    return parts.map((size) => {
      start += size;
      return collate(batch.slice(start - size, start), 0);
    });
  };
  const steps = Array.from({ length: plan.steps as number }, (_, step) => ({
    batches: batchesOfStep(step),
    epoch: 0,
    lastOfEpoch: false,
  }));
  const { program, memory } = await openClassifier(folder, 3);
  await using trainer = await openTrainer(program, { memory, open: runtime.open, threads: 1, seed: 0, optimizer });
  const schedule = {
    name: 'linear',
    learningRate: plan.learning_rate as number,
    warmupSteps: plan.warmup_steps as number,
    totalSteps: plan.steps as number,
  } as const;
  const records = [];
  for await (const record of trainSteps(trainer, steps, { schedule, maxGradientNorm })) records.push(record);
  return { records, memory };
}

const worstRatio = (actual: readonly number[], expected: readonly number[]): number =>
  Math.max(...expected.map((value, i) => Math.abs(actual[i]! / value - 1)));

test('50 steps of AdamW follow PyTorch: loss, learning rate, gradient norm, final weights', async () => {
  const golden = readGolden('bert-tiny/curve.json');
  const { records, memory } = await curve([8], 1);
  expect(records.length).toBe(50);
  expect(
    worstRatio(
      records.map(({ loss }) => loss),
      golden.float64.loss,
    ),
  ).toBeLessThan(1e-4);
  expect(
    worstRatio(
      records.map((record) => record.gradientNorm),
      golden.float64.grad_norm,
    ),
  ).toBeLessThan(1e-3);
  records.forEach(({ learningRate }, i) => {
    expect(learningRate).toBeCloseTo(golden.float64.learning_rate[i], 12);
  });
  for (const [name, { abs_sum }] of Object.entries<{ abs_sum: number }>(golden.final)) {
    if (name.endsWith('key.bias')) continue;
    const sum = memory.trained.get(name)!.arrays.weight.reduce((a, b) => a + Math.abs(b), 0);
    expect(Math.abs(sum / abs_sum - 1), name).toBeLessThan(1e-4);
  }
});

test('micro-batches of 3 + 5 rows follow the same curve', async () => {
  const golden = readGolden('bert-tiny/curve.json');
  const { records } = await curve([3, 5], 1);
  expect(
    worstRatio(
      records.map(({ loss }) => loss),
      golden.accumulated.float64_loss,
    ),
  ).toBeLessThan(1e-4);
  expect(
    worstRatio(
      records.map(({ loss }) => loss),
      golden.float64.loss,
    ),
  ).toBeLessThan(1e-4);
});

test('clipping at 5 leaves some steps as they are', async () => {
  const golden = readGolden('bert-tiny/curve.json');
  const { records } = await curve([8], 5);
  expect(
    worstRatio(
      records.map(({ loss }) => loss),
      golden.clipped_at_5.float64_loss,
    ),
  ).toBeLessThan(1e-4);
});
