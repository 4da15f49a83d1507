/** The gradients of a batch do not depend on how it is cut: what counts is the sum over the whole step, divided once. */
import { expect, test } from 'vitest';
import { chunks, collate } from '../../src/data/batch.ts';
import { methods } from '../../src/methods/index.ts';
import { relativeError } from '../golden/fixtures.ts';
import { goldenRows, openPartial, trainerOf } from '../golden/partial.ts';

const rows = goldenRows().toSorted((a, b) => a.inputIds.length - b.inputIds.length);

/** Gradients of the first 32 rows in `parts` batches, each padded to its own longest row. */
async function gradientsOf(parts: number) {
  const opened = await openPartial(methods.full.settings.parse({ name: 'full' }));
  await using trainer = await trainerOf(opened);
  const batches = chunks(rows.slice(0, 32), 32 / parts).map((batch) => collate(batch, 0));
  const { sum, count } = await trainer.gradients(batches, 1);
  const region = parts > 1 ? 'total' : 'gradient';
  const named = [...opened.memory.trained].map(([name, { arrays }]) => [name, arrays[region].slice()] as const);
  return { gradients: new Map(named), loss: sum / count, norm: trainer.gradientNorm(count), batches };
}

const largest = (values: Float32Array): number => values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);

test.each([2, 4])(
  'a step of 32 rows in %i batches of unequal lengths has the gradients of one batch',
  async (parts) => {
    const whole = await gradientsOf(1);
    const cut = await gradientsOf(parts);
    const lengths = cut.batches.map(({ feeds }) => feeds.input_ids!.shape[1]);
    expect(new Set(lengths).size, `lengths ${lengths}`).toBeGreaterThan(1);
    expect(cut.loss).toBeCloseTo(whole.loss, 6);
    expect(Math.abs(cut.norm / whole.norm - 1)).toBeLessThan(1e-6);
    // Relative to the largest gradient of all: that of the keys' biases is nothing but rounding.
    const scale = Math.max(...[...whole.gradients.values()].map(largest));
    for (const [name, values] of whole.gradients) {
      expect(relativeError(cut.gradients.get(name)!, values, scale), name).toBeLessThan(1e-6);
    }
  },
);
