/** Small decoders against Transformers: logits, every gradient, 20 steps of training, packed rows. */
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { packedTokenInputs } from '../../src/models/nn/index.ts';
import { trainSteps } from '../../src/training/index.ts';
import {
  batchOf,
  families,
  folderOf,
  full,
  goldenBatchRows,
  goldenRows,
  logitsOf,
  openDecoder,
  plainBatch,
  trainerOf,
  withoutPadding,
} from './decoderModels.ts';
import { readGolden, readTensors, relativeError } from './fixtures.ts';

describe.each(families)('%s', (family) => {
  test('every weight of the folder is used and none is missing', async () => {
    const { loaded } = await openDecoder(family);
    expect(loaded).toEqual({ fresh: [], unused: [] });
  });

  test('logits equal Transformers', async () => {
    const golden = await readTensors(`decoders/${family}/step0.safetensors`);
    const logits = await logitsOf(await openDecoder(family), plainBatch(goldenBatchRows(golden)).feeds);
    const expected = golden.get('logits')!.data;
    expect(relativeError(withoutPadding(logits, golden), withoutPadding(expected, golden))).toBeLessThan(1e-5);
  });

  test('the loss and every gradient equal Transformers', async () => {
    const golden = await readTensors(`decoders/${family}/step0.safetensors`);
    const opened = await openDecoder(family);
    await using trainer = await trainerOf(opened);
    const loss = await trainer.gradients([plainBatch(goldenBatchRows(golden))], 1);
    const labels = goldenBatchRows(golden).flatMap((row) => row.labels.slice(1));
    expect(loss.count).toBe(labels.filter((label) => label !== -100).length);
    expect(relativeError([loss.sum], golden.get('loss_sum')!.data)).toBeLessThan(1e-5);
    for (const [name, { arrays }] of opened.memory.trained) {
      expect(relativeError(arrays.gradient, golden.get(`gradient.${name}`)!.data), name).toBeLessThan(1e-4);
    }
    const named = [...golden.keys()].filter((key) => key.startsWith('gradient.'));
    expect(opened.memory.trained.size).toBe(named.length);
  });

  test('20 steps of AdamW follow Transformers: loss, learning rate, gradient norm', async () => {
    const { plan, float64 } = readGolden(`decoders/${family}/golden.json`);
    const rows = goldenRows();
    const opened = await openDecoder(family);
    await using trainer = await trainerOf(opened);
    const steps = Array.from({ length: plan.steps }, (_, step) => ({
      batches: [plainBatch(rows.slice((step * 4) % 40, ((step * 4) % 40) + 4))],
      epoch: 0,
      lastOfEpoch: false,
    }));
    const { learning_rate: learningRate, warmup_steps: warmupSteps, steps: totalSteps } = plan;
    const schedule = { name: 'linear', learningRate, warmupSteps, totalSteps } as const;
    let step = 0;
    for await (const record of trainSteps(trainer, steps, { schedule, maxGradientNorm: 1 })) {
      expect(Math.abs(record.loss / float64.loss[step] - 1), `step ${step}`).toBeLessThan(1e-4);
      expect(Math.abs(record.gradientNorm / float64.grad_norm[step] - 1), `step ${step}`).toBeLessThan(1e-3);
      expect(record.learningRate).toBeCloseTo(float64.learning_rate[step], 12);
      step += 1;
    }
    expect(step).toBe(20);
  });

  test('rows that share a sequence have the loss and the gradients of rows that stand alone', async () => {
    const rows = goldenRows().slice(0, 9);
    const [plain, packed] = [await openDecoder(family), await openDecoder(family, { batch: packedTokenInputs() })];
    await using plainTrainer = await trainerOf(plain);
    await using packedTrainer = await trainerOf(packed);
    const expected = await plainTrainer.gradients([plainBatch(rows)], 1);
    const found = await packedTrainer.gradients(
      [batchOf([rows.slice(0, 2), rows.slice(2, 3), rows.slice(3, 6), rows.slice(6)])],
      1,
    );
    expect(found.count).toBe(expected.count);
    expect(Math.abs(found.sum / expected.sum - 1)).toBeLessThan(1e-5);
    for (const [name, { arrays }] of plain.memory.trained) {
      const gradient = packed.memory.trained.get(name)!.arrays.gradient;
      expect(relativeError(gradient, arrays.gradient), name).toBeLessThan(1e-5);
    }
  });
});

interface Variant {
  readonly fields: object;
}
const variants = families.flatMap((family) => {
  if (!existsSync(`${folderOf(family)}/../variants.json`)) return [];
  const { variants: found } = readGolden(`decoders/${family}/variants.json`) as { variants: Record<string, Variant> };
  return Object.entries(found).map(([name, { fields }]) => ({ family, name, fields }));
});

test.each(variants)('logits of $family $name equal Transformers', async ({ family, name, fields }) => {
  const golden = await readTensors(`decoders/${family}/variants.safetensors`);
  const logits = await logitsOf(
    await openDecoder(family, { changes: fields }),
    plainBatch(goldenBatchRows(golden)).feeds,
  );
  const expected = golden.get(`${name}.logits`)!.data;
  expect(relativeError(withoutPadding(logits, golden), withoutPadding(expected, golden))).toBeLessThan(1e-5);
});

test('weights in bfloat16, in several files, answer as in Transformers', async () => {
  const golden = await readTensors('decoders/llama/parts.safetensors');
  const opened = await openDecoder('llama', { folder: folderOf('llama', 'parts'), method: full });
  expect(opened.loaded).toEqual({ fresh: [], unused: [] });
  const logits = await logitsOf(opened, plainBatch(goldenBatchRows(golden)).feeds);
  const expected = golden.get('logits')!.data;
  expect(relativeError(withoutPadding(logits, golden), withoutPadding(expected, golden))).toBeLessThan(1e-5);
});
