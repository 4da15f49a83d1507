/** LoRA over decoders against PEFT, also where the checkpoint keeps a matrix as [in, out]. */
import { describe, expect, test } from 'vitest';
import { openCheckpoint } from '../../src/files/modelFolder.node.ts';
import { mergedTensors } from '../../src/inference/merged.ts';
import { methods } from '../../src/methods/index.ts';
import { readAdapter } from '../../src/store/adapters/index.ts';
import { parameterValues } from '../../src/training/index.ts';
import {
  batchOf,
  folderOf,
  goldenBatchRows,
  goldenRows,
  logitsOf,
  openDecoder,
  plainBatch,
  trainerOf,
  withoutPadding,
} from './decoderModels.ts';
import { readTensors, relativeError, runtime } from './fixtures.ts';

async function openAdapted(family: string) {
  const { method, open } = (await readAdapter(folderOf(family, 'lora')))!;
  const adapter = await open();
  const opened = await openDecoder(family, { method, adapter });
  await adapter.close();
  return opened;
}

describe.each(['llama', 'gpt2'])('PEFT folder over %s', (family) => {
  test('gives its logits and every gradient', async () => {
    const golden = await readTensors(`decoders/${family}/lora.safetensors`);
    const step0 = await readTensors(`decoders/${family}/step0.safetensors`);
    const opened = await openAdapted(family);
    const batch = plainBatch(goldenBatchRows(step0));
    const logits = await logitsOf(opened, batch.feeds);
    const expected = golden.get('logits')!.data;
    expect(relativeError(withoutPadding(logits, step0), withoutPadding(expected, step0))).toBeLessThan(1e-5);
    await using trainer = await trainerOf(opened);
    const { sum } = await trainer.gradients([batch], 1);
    expect(relativeError([sum], golden.get('loss_sum')!.data)).toBeLessThan(1e-5);
    const gradients = [...golden].filter(([key]) => key.startsWith('gradient.'));
    expect(gradients.length).toBe(opened.memory.trained.size);
    for (const [key, { data }] of gradients) {
      const name = key.slice('gradient.base_model.model.'.length);
      expect(relativeError(opened.memory.trained.get(name)!.arrays.gradient, data), name).toBeLessThan(1e-4);
    }
  });

  test('merges to its weights, as the checkpoint keeps them', async () => {
    const golden = await readTensors(`decoders/${family}/lora.safetensors`);
    const { program, memory } = await openAdapted(family);
    const outputs = [...program.merged].map(([name, tensor]) => [`merged.${name}`, tensor] as const);
    await using session = await runtime.open(Object.fromEntries(outputs), { threads: 1 });
    const merged = await session.run(parameterValues(program, memory));
    const expected = [...golden].filter(([key]) => key.startsWith('merged.'));
    expect(Object.keys(merged).sort()).toEqual(expected.map(([key]) => key).sort());
    for (const [key, { shape, data }] of expected) {
      expect(merged[key]!.shape).toEqual(shape);
      expect(relativeError(merged[key]!.data as Float32Array, data), key).toBeLessThan(1e-6);
    }
  });
});

test('a base in 8 bits is rounded alike, whichever way its matrices are kept', async () => {
  const batch = batchOf(
    goldenRows()
      .slice(0, 6)
      .map((row) => [row]),
  );
  const differences: number[] = [];
  for (const family of ['llama', 'gpt2']) {
    const lora = (base_precision: 'fp32' | 'int8') =>
      openDecoder(family, { method: methods.lora.settings.parse({ name: 'lora', base_precision }) });
    const exact = await logitsOf(await lora('fp32'), batch.feeds);
    differences.push(relativeError(await logitsOf(await lora('int8'), batch.feeds), exact));
  }
  for (const difference of differences) {
    expect(difference).toBeGreaterThan(1e-4);
    expect(difference).toBeLessThan(0.15);
  }
});

test.each(['llama', 'gpt2'])(
  '%s: weights in 8 bits leave as numbers, the way round that the checkpoint has',
  async (family) => {
    const target_modules = family === 'gpt2' ? ['c_attn'] : ['q_proj'];
    const method = methods.lora.settings.parse({ name: 'lora', base_precision: 'int8', target_modules });
    const { program, memory } = await openDecoder(family, { method });
    const merged = await mergedTensors(program, { memory, open: runtime.open, threads: 1 });
    const base = await openCheckpoint(folderOf(family));
    const rounded = new Set(program.parameters.flatMap(({ parameter: { name, stored } }) => (stored ? [name] : [])));
    expect(rounded.size).toBeGreaterThan(5);
    for (const { name, shape, data } of merged.filter((tensor) => rounded.has(tensor.name))) {
      expect(shape).toEqual(base.shapeOf(name));
      // B is zero: what is left is rounding, half a step of 63 to each side of a row.
      const error = relativeError(data, await base.readFloats(name));
      expect(error, name).toBeLessThan(0.01);
      expect(error, name).toBeGreaterThan(1e-4);
    }
    await base.close();
  },
);
