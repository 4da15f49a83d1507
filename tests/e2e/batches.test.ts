/** How rows become batches: by rows or by tokens, whole or in parts, padded or packed. */
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readJson, readLines, temporaryFolder, tensorsOf, train, writeRecipe } from './attune.ts';
import { expectRefusal, type Refusal } from './refusals.ts';
import { reviews, tinyRecipe, writeReviews, writeRows } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
/** Reviews of 8 to 28 tokens. */
const uneven = (count: number, from = 0) =>
  reviews(count, from).map(({ text, label }, i) => ({ text: `${text}${' film'.repeat((i * i) % 21)}`, label }));

interface BatchedRun {
  readonly recipe: { readonly training: object };
  readonly total_steps: number;
  readonly steps: number;
  readonly epochs: number;
  readonly metrics: { readonly accuracy: number };
}

beforeAll(() => {
  writeRows(folder, 'train.jsonl', uneven(96));
  writeRows(folder, 'validation.jsonl', uneven(30, 96));
  const training = { train_sampling_strategy: 'random', num_train_epochs: 1, logging_steps: 1 };
  writeRecipe(folder, tinyRecipe({ training }));
});

const lossesOf = (run: string) =>
  readLines<{ loss?: number }>(folder, run, 'metrics.jsonl').flatMap(({ loss }) => (loss === undefined ? [] : [loss]));

describe('the same steps', () => {
  beforeAll(() => train(['recipe.json', 'micro_batch_tokens=0', 'output_dir=whole'], place));

  it.each([
    ['in parts', ['micro_batch_tokens=48']],
    ['packed', ['data.packing=true', 'micro_batch_tokens=0']],
    ['packed in parts', ['data.packing=true', 'micro_batch_tokens=48']],
  ])('come of batches %s', async (name, words) => {
    await train(['recipe.json', ...words, `output_dir=${name}`], place);
    const [found, expected] = [lossesOf(name), lossesOf('whole')];
    expect(found.length).toBe(12);
    for (const [i, loss] of found.entries()) expect(loss).toBeCloseTo(expected[i]!, 4);
    const whole = tensorsOf(join(folder, 'whole/model/model.safetensors'));
    for (const [tensor, values] of tensorsOf(join(folder, name, 'model/model.safetensors'))) {
      // Its gradient is zero but for rounding, and Adam makes steps of full size of that.
      if (tensor.endsWith('attention.self.key.bias')) continue;
      const difference = Math.max(...values.map((value, i) => Math.abs(value - whole.get(tensor)![i]!)));
      expect(difference, tensor).toBeLessThan(2e-3);
    }
  });
});

describe('batches by tokens', () => {
  it.each([
    ['padded', []],
    ['packed', ['data.packing=true']],
  ])('%s: as many steps as were planned, and they learn', async (name, words) => {
    const size = ['~training.per_device_train_batch_size', 'tokens_per_batch=128', 'num_train_epochs=6'];
    const run = `tokens-${name}`;
    await train(['recipe.json', ...size, ...words, `output_dir=${run}`], place);
    const { recipe, total_steps, steps, epochs, metrics } = readJson<BatchedRun>(folder, run, 'run.json');
    expect(recipe.training).not.toHaveProperty('per_device_train_batch_size');
    expect({ steps, epochs }).toEqual({ steps: total_steps, epochs: 6 });
    expect(lossesOf(run).length).toBe(steps);
    expect(metrics.accuracy).toBeGreaterThan(0.9);
  });

  it('need fewer steps where nothing is padded', () => {
    const stepsOf = (run: string) => readJson<BatchedRun>(folder, run, 'run.json').steps;
    expect(stepsOf('tokens-packed')).toBeLessThan(stepsOf('tokens-padded'));
  });
});

const refusals: Refusal[] = [
  {
    name: 'a size of batches in rows and in tokens',
    make: () => ['train', 'recipe.json', 'tokens_per_batch=128'],
    says: {
      code: 'CONFIG_INVALID',
      where: 'tokens_per_batch=128',
      problem: 'got 128, but `training.per_device_train_batch_size` is 8',
      fix: 'keep one of the two',
    },
  },
  {
    name: 'packing of texts of like length',
    make: () => ['train', 'recipe.json', 'data.packing=true', 'train_sampling_strategy=group_by_length'],
    says: { code: 'CONFIG_INVALID', where: 'packing=true', problem: 'is group_by_length', fix: 'keep one of the two' },
  },
];

describe('refused before a folder is made', () => {
  for (const refusal of refusals) {
    it(refusal.name, () => {
      const good = temporaryFolder();
      writeReviews(good);
      writeRecipe(good, tinyRecipe());
      return expectRefusal(refusal, good);
    });
  }
});
