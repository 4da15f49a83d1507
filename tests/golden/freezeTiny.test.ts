/** Frozen runs against PyTorch with requires_grad off: what is trained, its gradients, and the curve. */
import { expect, test } from 'vitest';
import { type MethodSettings, methods } from '../../src/methods/index.ts';
import { feedsOf, readGolden, readTensors } from './fixtures.ts';
import { lossCurve, openPartial, trainerOf } from './partial.ts';

const part = { embeddings: false, head: true, patterns: [] };
const freeze = (trainable: unknown): MethodSettings => methods.freeze.settings.parse({ name: 'freeze', trainable });
const cases: Record<string, MethodSettings> = {
  head: freeze('head'),
  last_layer: freeze(1),
  layers_0_2: freeze({ ...part, layers: '0,2', embeddings: true }),
  output_dense: freeze({ ...part, head: false, patterns: ['output.dense'] }),
};

test.each(Object.entries(cases))('%s trains what it says, with the gradients of PyTorch', async (name, method) => {
  const golden = readGolden(`freeze-tiny/${name}.json`);
  const opened = await openPartial(method);
  expect([...opened.memory.trained.keys()].sort()).toEqual(Object.keys(golden.gradients).sort());
  await using trainer = await trainerOf(opened);
  await trainer.gradients(
    [{ feeds: feedsOf(await readTensors('bert-tiny/step0.safetensors')), rows: 4, tokens: 44 }],
    1,
  );
  for (const [parameter, { abs_sum }] of Object.entries<{ abs_sum: number }>(golden.gradients)) {
    if (parameter.endsWith('key.bias')) continue;
    const found = opened.memory.trained
      .get(parameter)!
      .arrays.gradient.reduce((sum, value) => sum + Math.abs(value), 0);
    expect(Math.abs(found / abs_sum - 1), parameter).toBeLessThan(1e-4);
  }
});

test.each(Object.entries(cases))('%s follows the loss curve, and leaves the rest bit for bit', async (name, method) => {
  const golden = readGolden(`freeze-tiny/${name}.json`);
  const opened = await openPartial(method);
  const before = new Map([...opened.memory.frozen].map(([key, data]) => [key, data.slice()]));
  const losses = await lossCurve(opened, golden.plan);
  losses.forEach((loss, i) => {
    expect(Math.abs(loss / golden.float64.loss[i] - 1), `step ${i + 1}`).toBeLessThan(1e-4);
  });
  for (const [key, data] of opened.memory.frozen) expect(data, key).toEqual(before.get(key));
});
