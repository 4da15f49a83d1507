/** Every fine-tuning method over decoders: what it must keep, and what training does. */
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { print } from '../../src/engine/graph/index.ts';
import { safetensorsChunks } from '../../src/files/index.ts';
import { mergedTensors } from '../../src/inference/merged.ts';
import { type MethodSettings, methods } from '../../src/methods/index.ts';
import { packedTokenInputs } from '../../src/models/nn/index.ts';
import { parameterValues, trainSteps } from '../../src/training/index.ts';
import {
  batchOf,
  families,
  folderOf,
  full,
  goldenRows,
  logitsOf,
  openDecoder,
  plainBatch,
  trainerOf,
} from '../golden/decoderModels.ts';
import { relativeError, runtime } from '../golden/fixtures.ts';

const settings = {
  full,
  freeze: methods.freeze.settings.parse({ name: 'freeze', trainable: 1 }),
  lora: methods.lora.settings.parse({ name: 'lora' }),
} satisfies Record<string, MethodSettings>;
const rows = goldenRows().slice(0, 6);
const batch = plainBatch(rows);
type Opened = Awaited<ReturnType<typeof openDecoder>>;

async function train(opened: Opened, steps: number): Promise<number[]> {
  await using trainer = await trainerOf(opened);
  const schedule = { name: 'constant', learningRate: 0.01, warmupSteps: 0, totalSteps: steps } as const;
  const batches = Array.from({ length: steps }, () => ({ batches: [batch], epoch: 0, lastOfEpoch: false }));
  const losses: number[] = [];
  for await (const { loss } of trainSteps(trainer, batches, { schedule, maxGradientNorm: 1 })) losses.push(loss);
  return losses;
}

async function mergedLogits({ program, memory }: Opened, family: string): Promise<Float32Array> {
  const outputs = [...program.merged].map(([name, tensor]) => [`merged.${name}`, tensor] as const);
  await using session = await runtime.open(Object.fromEntries(outputs), { threads: 1 });
  const merged = await session.run(parameterValues(program, memory));
  const plain = await openDecoder(family);
  for (const [name, { arrays }] of plain.memory.trained) {
    arrays.weight.set((merged[`merged.${name}`]?.data ?? memory.frozen.get(name)) as Float32Array);
  }
  return logitsOf(plain, batch.feeds);
}

// Gemma multiplies what it looks up, and not what stands before it: vectors that start from a text have the factor in them.
test.each(['llama', 'gpt2', 'gemma2', 'gemma3_text'])(
  '%s: vectors before a text that start from tokens read as these tokens',
  async (family) => {
    const before = [11, 5, 23];
    const given = {
      num_virtual_tokens: before.length,
      prompt_tuning_init: 'text',
      prompt_tuning_init_text: 'three tokens',
    };
    const method = methods.prompt_tuning.settings.parse({ name: 'prompt_tuning', ...given });
    const longer = rows.map(({ input_ids, labels }) => ({
      input_ids: [...before, ...input_ids],
      labels: [...before.map(() => -100), -100, ...labels.slice(1)],
    }));
    await using trainer = await trainerOf(await openDecoder(family, { method, tokenIds: () => before }));
    await using plain = await trainerOf(await openDecoder(family));
    const expected = await plain.gradients([plainBatch(longer)], 1);
    const found = await trainer.gradients([batch], 1);
    expect(found.count).toBe(expected.count);
    expect(Math.abs(found.sum / expected.sum - 1)).toBeLessThan(1e-5);
  },
);

test.each(['mistral', 'gemma3_text'])('%s: a window hides as much of a prefix from packed texts', async (family) => {
  const method = methods.prefix_tuning.settings.parse({ name: 'prefix_tuning', num_virtual_tokens: 3 });
  const padded = await openDecoder(family, { method });
  const packed = await openDecoder(family, { method, batch: packedTokenInputs() });
  await using paddedTrainer = await trainerOf(padded);
  await using packedTrainer = await trainerOf(packed);
  const expected = await paddedTrainer.gradients([batch], 1);
  const found = await packedTrainer.gradients([batchOf([rows.slice(0, 3), rows.slice(3)])], 1);
  expect(Math.abs(found.sum / expected.sum - 1)).toBeLessThan(1e-5);
  for (const [name, { arrays }] of padded.memory.trained) {
    expect(relativeError(packed.memory.trained.get(name)!.arrays.gradient, arrays.gradient), name).toBeLessThan(1e-5);
  }
});

describe.each(families)('%s', (family) => {
  test.each(Object.entries(settings))('%s starts as the base model and learns', async (_, method) => {
    const base = await logitsOf(await openDecoder(family), batch.feeds);
    const opened = await openDecoder(family, { method });
    expect(relativeError(await logitsOf(opened, batch.feeds), base)).toBeLessThan(1e-6);
    const frozen = new Map([...opened.memory.frozen].map(([name, data]) => [name, data.slice()]));
    const losses = await train(opened, 10);
    expect(losses.at(-1)).toBeLessThan(losses[0]!);
    for (const [name, data] of opened.memory.frozen) expect(data, name).toEqual(frozen.get(name));
    for (const [name, { arrays }] of opened.memory.trained) {
      expect(
        arrays.gradient.some((value) => value !== 0),
        name,
      ).toBe(true);
    }
  });

  test('LoRA adapts what is named, and merges', async () => {
    const { architecture } = (await openDecoder(family)).description;
    const opened = await openDecoder(family, { method: settings.lora });
    const adapted = new Set([...opened.memory.trained.keys()].map((name) => name.split('.').at(-3)));
    expect([...adapted].sort()).toEqual([...architecture.queryAndValue].sort());
    await train(opened, 5);
    expect(relativeError(await mergedLogits(opened, family), await logitsOf(opened, batch.feeds))).toBeLessThan(1e-5);
  });

  test('all linear layers are those of the blocks; the head is adapted where it is named', async () => {
    const lora = (target_modules: string | string[]) =>
      openDecoder(family, { method: methods.lora.settings.parse({ name: 'lora', target_modules }) });
    const all = [...(await lora('all-linear')).memory.trained.keys()];
    expect(all.filter((name) => !/\.\d+\./.test(name))).toEqual([]);
    const tied = (await openDecoder(family)).program.parameters.every(
      ({ parameter }) => parameter.name !== 'lm_head.weight',
    );
    if (tied) return expect(lora(['lm_head'])).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect([...(await lora(['lm_head'])).memory.trained.keys()]).toEqual([
      'lm_head.lora_A.weight',
      'lm_head.lora_B.weight',
    ]);
    return undefined;
  });
});

test.each(['gpt2', 'qwen2', 'gemma2'])(
  '%s: the embedding and the head are one matrix, trained, merged and saved',
  async (family) => {
    for (const method of [settings.full, settings.lora]) {
      const opened = await openDecoder(family, { method });
      const before = await logitsOf(opened, batch.feeds);
      await train(opened, 5);
      const tensors = await mergedTensors(opened.program, { memory: opened.memory, open: runtime.open, threads: 1 });
      expect(tensors.filter(({ name }) => /lm_head|wte|embed_tokens/.test(name)).length).toBe(1);
      const folder = mkdtempSync(join(tmpdir(), 'attune-tied-'));
      copyFileSync(join(folderOf(family), 'config.json'), join(folder, 'config.json'));
      writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([...safetensorsChunks(tensors)]));
      const again = await openDecoder(family, { folder });
      rmSync(folder, { recursive: true });
      expect(again.loaded).toEqual({ fresh: [], unused: [] });
      const logits = await logitsOf(opened, batch.feeds);
      expect(relativeError(logits, before)).toBeGreaterThan(1e-2);
      expect(relativeError(await logitsOf(again, batch.feeds), logits)).toBeLessThan(1e-5);
    }
  },
);

describe.each(['llama', 'gpt2', 'gemma2'])('%s: the loss over a part of the vocabulary at a time', (family) => {
  test.each([
    ['full', settings.full, 0],
    ['lora', settings.lora, 0],
    ['full', settings.full, 0.1],
  ] as const)('%s has the gradients of the whole one (label smoothing %#)', async (_, method, labelSmoothing) => {
    const whole = await openDecoder(family, { method, settings: { labelSmoothing } });
    const parts = await openDecoder(family, { method, settings: { labelSmoothing, vocabularyPart: 20 } });
    const isInParts = print([parts.program.outputs.loss.sum]).includes('vocabularyNormaliser');
    expect(isInParts).toBe(family !== 'gemma2' || labelSmoothing === 0);
    await using wholeTrainer = await trainerOf(whole);
    await using partsTrainer = await trainerOf(parts);
    const expected = await wholeTrainer.gradients([batch], 1);
    const found = await partsTrainer.gradients([batch], 1);
    expect(found.count).toBe(expected.count);
    expect(Math.abs(found.sum / expected.sum - 1)).toBeLessThan(1e-5);
    for (const [name, { arrays }] of whole.memory.trained) {
      expect(relativeError(parts.memory.trained.get(name)!.arrays.gradient, arrays.gradient), name).toBeLessThan(1e-5);
    }
  });
});

test('a method that adds to the scores keeps them whole', async () => {
  const method = methods.lora.settings.parse({ name: 'lora', target_modules: ['lm_head'] });
  const opened = await openDecoder('llama', { method, settings: { vocabularyPart: 20 } });
  expect(print([opened.program.outputs.loss.sum])).not.toContain('vocabularyNormaliser');
});

test('a task without a head of its own has none to train', async () => {
  const method = methods.freeze.settings.parse({ name: 'freeze' });
  await expect(openDecoder('llama', { method })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    where: 'method.trainable',
  });
});
