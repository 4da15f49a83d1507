import { describe, expect, test } from 'vitest';
import type { EncodedRow } from '../../data/batch.ts';
import type { StepBatches } from '../../training/index.ts';
import { parseRecipe, type RecipeInput } from '../schema/index.ts';
import { epochsAfter, planSteps, rowParts, stepBatches } from './plan.ts';

type Size = RecipeInput['training'] & { packing?: boolean };
const lengths = Array.from({ length: 103 }, (_, i) => 3 + ((i * 7919) % 30));
const rows = lengths.map(
  (length, row): EncodedRow => ({
    inputIds: new Array<number>(length).fill(row + 1),
    tokenTypeIds: new Array<number>(length).fill(0),
    label: row,
  }),
);

async function planned({ packing = false, ...training }: Size) {
  const data = { train: 'a', packing };
  const recipe = parseRecipe({ model: 'm', task: 'text-classification', data, training }, '');
  const plan = planSteps(recipe, lengths);
  const steps: StepBatches[] = [];
  for await (const step of stepBatches(rows, { recipe, plan, partsOf: rowParts(rows, recipe, 0) })) steps.push(step);
  return { plan, steps };
}
const labelsOf = (step: StepBatches): number[] =>
  step.batches.flatMap(({ feeds }) => [...(feeds.labels!.data as Int32Array)]);

const sizes: Record<string, Size> = {
  'rows in groups': { per_device_train_batch_size: 8 },
  'rows in random order': { per_device_train_batch_size: 8, train_sampling_strategy: 'random' },
  'tokens in groups': { tokens_per_batch: 100 },
  'tokens in random order': { tokens_per_batch: 100, train_sampling_strategy: 'random' },
  'accumulated tokens': { tokens_per_batch: 100, gradient_accumulation_steps: 3 },
  'packed rows': { packing: true, per_device_train_batch_size: 8, micro_batch_tokens: 64 },
  'packed tokens': { packing: true, tokens_per_batch: 100 },
  'rows in parts': { per_device_train_batch_size: 16, micro_batch_tokens: 64 },
};

describe.each(Object.entries(sizes))('batches of %s', (_, size) => {
  test('are as many as the plan says, in every epoch', async () => {
    const { plan, steps } = await planned({ ...size, num_train_epochs: 4 });
    expect(steps.length).toBe(plan.totalSteps);
    const ends = steps.flatMap(({ lastOfEpoch }, i) => (lastOfEpoch ? [i + 1] : []));
    expect(ends).toEqual(plan.stepsOfEpoch.map((__, i) => plan.stepsOfEpoch.slice(0, i + 1).reduce((a, b) => a + b)));
    for (const [i, { epoch }] of steps.entries()) expect(epoch).toBeCloseTo(epochsAfter(plan.stepsOfEpoch, i + 1), 12);
    expect(plan.epochs).toBe(4);
  });

  test('show every row once an epoch', async () => {
    const { plan, steps } = await planned({ ...size, num_train_epochs: 2 });
    const first = steps.slice(0, plan.stepsOfEpoch[0]).flatMap(labelsOf);
    expect(first.sort((a, b) => a - b)).toEqual([...rows.keys()]);
  });

  test('end after a part of an epoch, or after so many steps', async () => {
    const whole = (await planned({ ...size, num_train_epochs: 2 })).plan.stepsOfEpoch;
    const half = (await planned({ ...size, num_train_epochs: 1.5 })).plan;
    expect(half.totalSteps).toBe(whole[0]! + Math.ceil(0.5 * whole[1]!));
    expect(half.epochs).toBeCloseTo(1 + Math.ceil(0.5 * whole[1]!) / whole[1]!, 12);
    const few = (await planned({ ...size, max_steps: whole[0]! + 1 })).plan;
    expect(few).toEqual({ stepsOfEpoch: whole, totalSteps: whole[0]! + 1, epochs: 1 + 1 / whole[1]! });
  });
});

test('a share of an epoch is not rounded up by what binary fractions add', async () => {
  const { plan } = await planned({ per_device_train_batch_size: 11, num_train_epochs: 1.3 });
  expect(plan).toMatchObject({ stepsOfEpoch: [10, 10], totalSteps: 13 });
});

test('with a budget of tokens the epochs differ, and the plan knows it', async () => {
  const { plan } = await planned({ tokens_per_batch: 100, train_sampling_strategy: 'random', num_train_epochs: 12 });
  expect(new Set(plan.stepsOfEpoch).size).toBeGreaterThan(1);
});

test('a packed budget is full of tokens, and its parts keep to the limit', async () => {
  const { steps } = await planned({
    packing: true,
    tokens_per_batch: 200,
    micro_batch_tokens: 64,
    num_train_epochs: 1,
  });
  for (const { batches } of steps) {
    const tokens = batches.reduce((sum, batch) => sum + batch.tokens, 0);
    expect(tokens).toBeLessThanOrEqual(200);
    expect(tokens).toBeGreaterThan(150);
    expect(batches.length).toBeGreaterThan(1);
    for (const { feeds } of batches) expect(feeds.input_ids!.data.length).toBeLessThanOrEqual(64);
  }
  const parts = steps.flatMap(({ batches }) => batches);
  const sequences = parts.reduce((sum, { feeds }) => sum + feeds.segment_ids!.shape[0]!, 0);
  expect(sequences).toBeLessThan(0.7 * lengths.length);
});

test('a batch beyond the limit is cut into parts of its own rows; 0 never cuts', async () => {
  const whole = (await planned({ per_device_train_batch_size: 16, micro_batch_tokens: 0, num_train_epochs: 1 })).steps;
  const parted = (await planned({ per_device_train_batch_size: 16, micro_batch_tokens: 64, num_train_epochs: 1 }))
    .steps;
  expect(whole.every(({ batches }) => batches.length === 1)).toBe(true);
  expect(Math.max(...parted.map(({ batches }) => batches.length))).toBe(8);
  for (const [i, step] of parted.entries()) {
    expect(new Set(labelsOf(step))).toEqual(new Set(labelsOf(whole[i]!)));
    const isLarge = whole[i]!.batches[0]!.feeds.input_ids!.data.length > 64;
    expect(step.batches.length > 1).toBe(isLarge);
    for (const { feeds } of step.batches) expect(feeds.input_ids!.data.length).toBeLessThanOrEqual(64);
  }
});
