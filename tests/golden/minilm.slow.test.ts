/** all-MiniLM-L6-v2 against PyTorch: every gradient at step 0, 50 steps of training, the tokenizer. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chunks, collate, type EncodedRow } from '../../src/data/batch.ts';
import { openTokenizer } from '../../src/data/tokenizer.ts';
import type { Value } from '../../src/engine/runtime/index.ts';
import { openTrainer, trainSteps } from '../../src/training/index.ts';
import { minilmFolder, openClassifier, readGolden, readTensors, relativeError, runtime } from './fixtures.ts';

const folder = minilmFolder();
const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };

/** The model with the golden file's classifier. */
async function openWithHead(weight: ArrayLike<number>, bias: ArrayLike<number>) {
  const { program, memory, loaded } = await openClassifier(folder!, 2);
  expect(loaded.fresh).toEqual(['classifier.weight', 'classifier.bias']);
  memory.trained.get('classifier.weight')!.arrays.weight.set(Array.from(weight));
  memory.trained.get('classifier.bias')!.arrays.weight.set(Array.from(bias));
  return { program, memory, open: runtime.open, threads: 2, seed: 0, optimizer };
}

describe.skipIf(!folder)('all-MiniLM-L6-v2', () => {
  test('every gradient at step 0 equals PyTorch within 1e-4', async () => {
    const golden = await readTensors('minilm/gradients.safetensors');
    const { gradients } = readGolden('minilm/gradients.json');
    const model = await openWithHead(golden.get('classifier.weight')!.data, golden.get('classifier.bias')!.data);
    await using trainer = await openTrainer(model.program, model);
    const [rows, tokens] = golden.get('input.input_ids')!.shape as [number, number];
    const read = (name: string): Value => {
      const { shape, data } = golden.get(`input.${name}`)!;
      return { dtype: 'int32', shape, data: Int32Array.from(data) };
    };
    const positions = Int32Array.from({ length: rows * tokens }, (_, i) => i % tokens);
    const feeds = {
      input_ids: read('input_ids'),
      attention_mask: read('attention_mask'),
      token_type_ids: read('token_type_ids'),
      labels: read('labels'),
      position_ids: { dtype: 'int32', shape: [rows, tokens], data: positions },
    } as const;
    const loss = await trainer.gradients([{ feeds, rows, tokens: 1 }], 1);
    expect(relativeError([loss.sum], golden.get('loss_sum')!.data)).toBeLessThan(1e-5);
    const trained = model.memory.trained;
    expect(trained.size).toBe(Object.keys(gradients).length);
    const largest = Math.max(...Object.values<{ max_abs: number }>(gradients).map(({ max_abs }) => max_abs));
    for (const [name, { norm, max_abs }] of Object.entries<{ norm: number; max_abs: number }>(gradients)) {
      const { gradient } = trained.get(name)!.arrays;
      const at = [...golden.get(`positions.${name}`)!.data];
      // The gradient of a key's bias is zero in exact arithmetic: only rounding can be compared there.
      const scale = name.endsWith('key.bias') ? largest : max_abs;
      const sampled = at.map((position) => gradient[position]!);
      expect(relativeError(sampled, golden.get(`values.${name}`)!.data, scale), name).toBeLessThan(1e-4);
      if (name.endsWith('key.bias')) continue;
      const square = gradient.reduce((total, value) => total + value * value, 0);
      expect(Math.abs(Math.sqrt(square) / norm - 1), name).toBeLessThan(1e-4);
    }
  });

  test('50 steps of AdamW follow the loss curve of PyTorch within 1e-4', async () => {
    const { rows, plan, classifier, float64 } = readGolden('minilm/curve.json');
    const encoded = (rows as { input_ids: number[]; label: number }[]).map(
      ({ input_ids, label }): EncodedRow => ({ inputIds: input_ids, tokenTypeIds: input_ids.map(() => 0), label }),
    );
    const batches = chunks(encoded, 32).map((batch) => collate(batch, 0));
    const steps = Array.from({ length: plan.steps as number }, (_, step) => ({
      batches: [batches[step % batches.length]!],
      epoch: 0,
      lastOfEpoch: false,
    }));
    const model = await openWithHead(classifier.weight.flat(), classifier.bias);
    await using trainer = await openTrainer(model.program, model);
    const schedule = {
      name: 'linear',
      learningRate: plan.learning_rate as number,
      warmupSteps: plan.warmup_steps as number,
      totalSteps: plan.steps as number,
    } as const;
    const losses: number[] = [];
    const options = { schedule, maxGradientNorm: plan.max_grad_norm as number };
    for await (const { loss } of trainSteps(trainer, steps, options)) losses.push(loss);
    expect(losses.length).toBe(float64.loss.length);
    losses.forEach((loss, i) => {
      expect(Math.abs(loss / float64.loss[i] - 1), `step ${i + 1}`).toBeLessThan(1e-4);
    });
  });

  interface TokenizerCase {
    text: string;
    pair?: string;
    input_ids: number[];
    token_type_ids: number[];
    truncated?: { input_ids: number[]; token_type_ids: number[] };
  }
  const json = (name: string) => JSON.parse(readFileSync(join(folder!, name), 'utf8'));
  const { cases } = readGolden('tokenizer/minilm.json') as { cases: TokenizerCase[] };

  test('the tokenizer gives the ids of the Rust tokenizer', () => {
    const tokenizer = openTokenizer(json('tokenizer.json'), json('tokenizer_config.json'), folder!);
    for (const { text, pair, input_ids, token_type_ids, truncated } of cases) {
      const whole = tokenizer.encode(text, { pair, maxLength: 100_000 });
      expect(whole, text).toEqual({ inputIds: input_ids, tokenTypeIds: token_type_ids, dropped: 0 });
      const cut = tokenizer.encode(text, { pair, maxLength: 32 });
      const expected = truncated ?? { input_ids, token_type_ids };
      expect(cut.inputIds, text).toEqual(expected.input_ids);
      expect(cut.tokenTypeIds, text).toEqual(expected.token_type_ids);
    }
  });
});
