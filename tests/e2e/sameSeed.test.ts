/** A run is the same for the same seed, and a step the same however its batch is cut. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readLines, temporaryFolder, tensorsOf, train, writeRecipe } from './attune.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
const weightsFile = (run: string) => join(folder, run, 'model/model.safetensors');
const weights = (run: string) => readFileSync(weightsFile(run));
/** Lines of metrics.jsonl as text, without what a clock measured. */
const curve = (run: string) =>
  readLines(folder, run, 'metrics.jsonl').map(({ tokens_per_second: _, ...line }) => JSON.stringify(line));

beforeAll(() => {
  writeReviews(folder);
  // Dropout stays on here: its masks come from the seed too. A new head comes from it as well.
  writeReviews(join(folder, 'fresh'), { bad: 'bad', good: 'good' });
  const data = { train: 'fresh/train.jsonl', validation: 'fresh/validation.jsonl' };
  writeRecipe(folder, tinyRecipe({ data, training: { dropout: 0.1, num_train_epochs: 2 } }));
});

describe('the seed', () => {
  it.each([1, 2])('decides everything on %i threads: weights byte for byte, and the whole curve', async (threads) => {
    const [first, second] = [`first-${threads}`, `second-${threads}`];
    const one = await train(['recipe.json', `threads=${threads}`, 'seed=7', `output_dir=${first}`], place);
    const two = await train(['recipe.json', `threads=${threads}`, 'seed=7', `output_dir=${second}`], place);
    expect(weights(second).equals(weights(first))).toBe(true);
    expect(curve(second)).toEqual(curve(first));
    expect(two.metrics).toEqual(one.metrics);
    expect(two.before).toEqual(one.before);
  });

  it('makes another run when it is another', async () => {
    await train(['recipe.json', 'seed=7', 'output_dir=seven'], place);
    const eight = await train(['recipe.json', 'seed=8', 'output_dir=eight'], place);
    expect(weights('eight').equals(weights('seven'))).toBe(false);
    expect(curve('eight')).not.toEqual(curve('seven'));
    expect(eight.steps).toBe(24);
  });
});

describe('gradient accumulation', () => {
  it('of 4 rows twice is nearly the step of 8 rows', async () => {
    const settings = { dropout: 0, train_sampling_strategy: 'random', num_train_epochs: 1, logging_steps: 1 };
    writeRecipe(folder, tinyRecipe({ training: settings }), 'whole.json');
    await train(['whole.json', 'output_dir=whole'], place);
    const halves = ['per_device_train_batch_size=4', 'gradient_accumulation_steps=2'];
    const run = await train(['whole.json', ...halves, 'output_dir=halves'], place);
    expect(run.steps).toBe(12);
    const losses = (name: string) =>
      readLines<{ loss?: number }>(folder, name, 'metrics.jsonl').map(({ loss }) => loss);
    const expected = losses('whole');
    losses('halves').forEach((loss, i) => {
      if (loss !== undefined) expect(loss).toBeCloseTo(expected[i]!, 4);
    });
    const whole = tensorsOf(weightsFile('whole'));
    for (const [name, values] of tensorsOf(weightsFile('halves'))) {
      // Its gradient is zero but for rounding, and Adam makes steps of full size of that.
      if (name.endsWith('attention.self.key.bias')) continue;
      const difference = Math.max(...values.map((value, i) => Math.abs(value - whole.get(name)![i]!)));
      expect(difference, name).toBeLessThan(2e-3);
    }
  });
});
