/** Gradual unfreezing against PyTorch, whose parameters get their gradients one group after the other. */
import { describe, expect, test } from 'vitest';
import { type MethodSettings, methods } from '../../src/methods/index.ts';
import { readAdapter } from '../../src/store/adapters/index.ts';
import { ownName } from '../../src/store/adapters/peft/names.ts';
import { goldenFolder, readGolden } from './fixtures.ts';
import { lossCurve, openPartial } from './partial.ts';

const totalSteps = 20;
const run = { totalSteps, stepsOfEpoch: [totalSteps] };

const full = (at: number[]) =>
  openPartial(methods.full.settings.parse({ name: 'full', unfreeze_schedule: { at, unit: 'steps' } }), { run });

async function lora(at: number[]) {
  const { method, open } = (await readAdapter(`${goldenFolder}/lora-tiny/plain/adapter`))!;
  const adapter = await open();
  const settings = { ...method, unfreeze_schedule: { at, unit: 'steps' } } as MethodSettings;
  const opened = await openPartial(settings, { adapter, run });
  await adapter.close();
  return opened;
}

/** Zero in exact arithmetic: Adam makes of its rounding steps of full size. */
const isShift = (name: string): boolean => name.endsWith('key.bias');

describe.each(Object.entries({ full, lora }))('%s', (name, open) => {
  const golden = readGolden(`freeze-tiny/gradual_${name}.json`);

  test('follows the loss curve, and ends with the same weights', async () => {
    const opened = await open(golden.at);
    const losses = await lossCurve(opened, golden.plan);
    losses.forEach((loss, i) => {
      expect(Math.abs(loss / golden.float64.loss[i] - 1), `step ${i + 1}`).toBeLessThan(1e-4);
    });
    const final = Object.entries<{ abs_sum: number }>(golden.final).map(
      ([key, sums]) => [ownName(key) ?? key, sums] as const,
    );
    expect(final.map(([key]) => key).sort()).toEqual([...opened.memory.trained.keys()].sort());
    for (const [key, { abs_sum }] of final) {
      if (isShift(key)) continue;
      const sum = opened.memory.trained.get(key)!.arrays.weight.reduce((a, b) => a + Math.abs(b), 0);
      expect(Math.abs(sum / abs_sum - 1), key).toBeLessThan(1e-5);
    }
  });

  test('until its time nothing of a tensor moves, and from then on all of it does', async () => {
    const opened = await open(golden.at);
    const entries = [...opened.memory.trained].map(([key, { arrays, parameter }]) => {
      return { key, arrays, opensAfter: parameter.opensAfter, start: arrays.weight.slice() };
    });
    expect([...new Set(entries.map(({ opensAfter }) => opensAfter))].sort((a, b) => a - b)).toEqual([0, ...golden.at]);
    let step = 0;
    const each = () => {
      step += 1;
      for (const { key, arrays, opensAfter, start } of entries) {
        const moved = arrays.weight.some((value, i) => value !== start[i]);
        // The rate of the first step is zero.
        expect(moved, `${key} after step ${step}`).toBe(step > Math.max(opensAfter, 1));
        if (step <= opensAfter)
          expect(
            arrays.mean.some((value) => value !== 0),
            key,
          ).toBe(false);
      }
    };
    await lossCurve(opened, golden.plan, { each });
  });
});
