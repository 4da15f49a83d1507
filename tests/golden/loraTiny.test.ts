/** LoRA folders that PEFT saved: opened here, trained here, merged here. */
import { describe, expect, test } from 'vitest';
import type { Value, Values } from '../../src/engine/runtime/index.ts';
import { readAdapter } from '../../src/store/adapters/index.ts';
import { parameterValues } from '../../src/training/index.ts';
import { feedsOf, goldenFolder, readGolden, readTensors, relativeError, runtime } from './fixtures.ts';
import { lossCurve, openPartial, trainerOf } from './partial.ts';

const { cases } = readGolden('lora-tiny/cases.json');
const names = Object.keys(cases);
const ROOT = 'base_model.model.';
/** Our name of a tensor in a golden file. */
const own = (name: string): string => name.slice(ROOT.length).replace('.base_layer.', '.');

async function openCase(name: string) {
  const adapter = await readAdapter(`${goldenFolder}/lora-tiny/${name}/adapter`);
  const checkpoint = await adapter!.open();
  const opened = await openPartial(adapter!.method, { adapter: checkpoint });
  await checkpoint.close();
  return { adapter: adapter!, opened };
}

async function score(outputs: Parameters<typeof runtime.open>[0], values: Values): Promise<Record<string, Value>> {
  await using session = await runtime.open(outputs, { threads: 1 });
  return await session.run(values);
}

describe.each(names)('PEFT folder %s', (name) => {
  test('trains what PEFT trains', async () => {
    const { opened } = await openCase(name);
    const count = [...opened.memory.trained.values()].reduce((sum, slot) => sum + slot.count, 0);
    expect(count).toBe(cases[name].trainable_parameters);
    expect([...opened.memory.trained.keys()].sort()).toEqual(Object.keys(cases[name].trained).map(own).sort());
  });

  test('gives its logits, and every gradient', async () => {
    const { opened } = await openCase(name);
    const golden = await readTensors(`lora-tiny/${name}/golden.safetensors`);
    const feeds = feedsOf(golden);
    const { logits } = await score(
      { logits: opened.program.outputs.logits },
      { ...parameterValues(opened.program, opened.memory), ...feeds },
    );
    expect(relativeError(logits!.data as Float32Array, golden.get('logits')!.data)).toBeLessThan(2e-5);
    await using trainer = await trainerOf(opened);
    await trainer.gradients([{ feeds, rows: 4, tokens: 44 }], 1);
    const gradients = [...golden].filter(([key]) => key.startsWith('gradient.'));
    expect(gradients.length).toBe(opened.memory.trained.size);
    const largest = Math.max(...gradients.map(([, { data }]) => Math.max(...data.map(Math.abs))));
    for (const [key, { data }] of gradients) {
      const parameter = own(key.slice('gradient.'.length));
      const floor = parameter.endsWith('key.bias') ? largest : 1e-30;
      expect(relativeError(opened.memory.trained.get(parameter)!.arrays.gradient, data, floor), parameter).toBeLessThan(
        1e-4,
      );
    }
  });

  test('merges to its weights', async () => {
    const { opened } = await openCase(name);
    const golden = await readTensors(`lora-tiny/${name}/golden.safetensors`);
    const merged = await score(
      Object.fromEntries([...opened.program.merged].map(([layer, tensor]) => [`merged.${layer}`, tensor])),
      parameterValues(opened.program, opened.memory),
    );
    const values = [...golden].filter(([key]) => key.startsWith('merged.values.'));
    expect(values.length).toBe(Object.keys(merged).length);
    for (const [key, { data }] of values) {
      const layer = own(`${ROOT}${key.slice('merged.values.'.length).replace(ROOT, '')}`);
      const positions = golden.get(key.replace('values', 'positions'))!.data;
      const weight = merged[`merged.${layer.endsWith('.weight') ? layer : `${layer}.weight`}`]!.data as Float32Array;
      const sampled = [...positions].map((position) => weight[position]!);
      expect(relativeError(sampled, data), layer).toBeLessThan(1e-6);
    }
  });
});

test.each(['plain', 'patterns', 'bias_all', 'loraplus'])('the loss curve of %s follows PEFT', async (name) => {
  const curve = readGolden(`lora-tiny/${name}/curve.json`);
  const { adapter } = await openCase(name === 'loraplus' ? 'plain' : name);
  const ratio = curve.loraplus_lr_ratio === undefined ? {} : { loraplus_lr_ratio: curve.loraplus_lr_ratio };
  const checkpoint = await adapter.open();
  const opened = await openPartial({ ...adapter.method, ...ratio } as typeof adapter.method, { adapter: checkpoint });
  await checkpoint.close();
  const losses = await lossCurve(opened, curve.plan);
  expect(losses.length).toBe(curve.float64.loss.length);
  losses.forEach((loss, i) => {
    expect(Math.abs(loss / curve.float64.loss[i] - 1), `step ${i + 1}`).toBeLessThan(1e-4);
  });
});
