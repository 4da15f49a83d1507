/** A batch that is computed in parts gives the gradients of the whole, whatever the lengths of its rows. */
import { describe, expect, test } from 'vitest';
import type { EncodedRow } from '../../src/data/batch.ts';
import { parseRecipe } from '../../src/recipes/schema/index.ts';
import { planSteps, rowParts, stepBatches } from '../../src/recipes/train/plan.ts';
import { openTrainer, type StepBatches } from '../../src/training/index.ts';
import { goldenFolder, openClassifier, relativeError, runtime } from '../golden/fixtures.ts';

const lengths = [3, 17, 5, 31, 8, 8, 26, 4, 12, 31, 6, 19];
const rows = lengths.map(
  (length, row): EncodedRow => ({
    inputIds: Array.from({ length }, (_, at) => 5 + ((row * 31 + at * 17) % 90)),
    tokenTypeIds: Array.from({ length }, (_, at) => (2 * at > length ? 1 : 0)),
    // Two rows in three are scored: the parts count different numbers of rows.
    label: row % 3 === 2 ? -100 : row % 3,
  }),
);
const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
const { program, memory } = await openClassifier(`${goldenFolder}/bert-tiny/model`, 3);

async function oneStep(training: object) {
  const recipe = parseRecipe({ model: 'm', task: 'text-classification', data: { train: 'a' }, training }, '');
  const plan = planSteps(recipe, lengths);
  const steps = stepBatches(rows, { recipe, plan, partsOf: rowParts(rows, recipe, 0) });
  const { value } = await steps.next();
  return (value as StepBatches).batches;
}

async function gradientsOf(training: object) {
  const batches = await oneStep({ per_device_train_batch_size: 12, num_train_epochs: 1, ...training });
  await using trainer = await openTrainer(program, { memory, open: runtime.open, threads: 2, seed: 0, optimizer });
  const loss = await trainer.gradients(batches, 1);
  const region = batches.length > 1 ? 'total' : 'gradient';
  const gradients = [...memory.trained].map(([name, { arrays }]) => [name, arrays[region].slice()] as const);
  return { parts: batches.length, loss, gradients };
}

describe.each([
  [1, { micro_batch_tokens: 372 }],
  [2, { micro_batch_tokens: 190 }],
  [4, { micro_batch_tokens: 64 }],
  [2, { per_device_train_batch_size: 6, gradient_accumulation_steps: 2, train_sampling_strategy: 'random' }],
])('%i parts (%o)', (parts, training) => {
  test('sum to the loss and the gradients of the whole', async () => {
    const whole = await gradientsOf({ micro_batch_tokens: 0 });
    const parted = await gradientsOf(training);
    expect([whole.parts, parted.parts]).toEqual([1, parts]);
    expect(parted.loss.count).toBe(whole.loss.count);
    expect(Math.abs(parted.loss.sum / whole.loss.sum - 1)).toBeLessThan(1e-6);
    const largest = Math.max(...whole.gradients.map(([, values]) => Math.max(...values.map(Math.abs))));
    for (const [i, [name, values]] of parted.gradients.entries()) {
      // The bias of keys moves all scores of a query alike: its gradient is zero but for rounding.
      const floor = name.endsWith('key.bias') ? largest : 1e-30;
      expect(relativeError(values, whole.gradients[i]![1], floor), name).toBeLessThan(1e-6);
    }
  });
});
