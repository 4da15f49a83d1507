/** all-MiniLM-L6-v2 against PyTorch: every gradient at step 0, 50 steps of training, fully and with LoRA, the tokenizer. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { chunks, collate, type EncodedRow } from '../../src/data/batch.ts';
import { openTokenizer } from '../../src/data/tokenizer.ts';
import type { Value } from '../../src/engine/runtime/index.ts';
import { parseMethod } from '../../src/methods/index.ts';
import { openTrainer, type Schedule, type StepRecord, type Trainer, trainSteps } from '../../src/training/index.ts';
import { minilmFolder, openClassifier, readGolden, readTensors, relativeError, runtime } from './fixtures.ts';
import { openPartial } from './partial.ts';

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

/** Our name of a tensor that PEFT saved. */
const own = (name: string): string => name.slice('base_model.model.'.length);

/** LoRA from the start that the note in lora.json gives, beside the classifier of the other curve. */
async function openWithLora(settings: object) {
  const { classifier } = readGolden('minilm/curve.json');
  const method = parseMethod({ name: 'lora', ...settings }, 'lora.json');
  const { program, memory } = await openPartial(method, { model: { folder: folder!, numLabels: 2 } });
  const weightOf = (name: string) => memory.trained.get(name)!.arrays.weight;
  weightOf('classifier.weight').set(classifier.weight.flat());
  weightOf('classifier.bias').set(classifier.bias);
  let i = 0;
  const fill = (matrix: 'lora_A' | 'lora_B'): void => {
    for (let layer = 0; layer < 6; layer++) {
      for (const part of ['query', 'value']) {
        const values = weightOf(`bert.encoder.layer.${layer}.attention.self.${part}.${matrix}.weight`);
        for (let at = 0; at < values.length; at++, i++) values[at] = 0.1 * (((i * 7919) % 1009) / 1009 - 0.5);
      }
    }
  };
  fill('lora_A');
  const options = { memory, open: runtime.open, threads: 2, seed: 0, optimizer };
  return { trained: memory.trained, trainer: await openTrainer(program, options), fill };
}

interface GoldenGradient {
  readonly norm: number;
  readonly max_abs: number;
  readonly positions: readonly number[];
  readonly values: readonly number[];
}

function goldenRows(): EncodedRow[] {
  const { rows } = readGolden('minilm/curve.json') as { rows: { input_ids: number[]; label: number }[] };
  return rows.map(({ input_ids, label }) => ({ inputIds: input_ids, tokenTypeIds: input_ids.map(() => 0), label }));
}

/** Every step of a golden plan over the rows of curve.json. */
async function stepsOf(trainer: Trainer, plan: Record<string, number>): Promise<StepRecord[]> {
  const batches = chunks(goldenRows(), 32).map((batch) => collate(batch, 0));
  const steps = Array.from({ length: plan.steps! }, (_, step) => ({
    batches: [batches[step % batches.length]!],
    epoch: 0,
    lastOfEpoch: false,
  }));
  const { learning_rate: learningRate, warmup_steps: warmupSteps, steps: totalSteps } = plan;
  const schedule = { name: 'linear', learningRate: learningRate!, warmupSteps: warmupSteps!, totalSteps: totalSteps! };
  const records: StepRecord[] = [];
  const options = { schedule: schedule as Schedule, maxGradientNorm: plan.max_grad_norm! };
  for await (const record of trainSteps(trainer, steps, options)) records.push(record);
  return records;
}

function expectCurve(records: readonly StepRecord[], golden: { loss: number[] }): void {
  expect(records.length).toBe(golden.loss.length);
  records.forEach(({ loss }, i) => {
    expect(Math.abs(loss / golden.loss[i]! - 1), `step ${i + 1}`).toBeLessThan(1e-4);
  });
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
    const { plan, classifier, float64 } = readGolden('minilm/curve.json');
    const model = await openWithHead(classifier.weight.flat(), classifier.bias);
    await using trainer = await openTrainer(model.program, model);
    expectCurve(await stepsOf(trainer, plan), float64);
  });

  test('every gradient of LoRA equals that of PEFT within 1e-4', async () => {
    const { settings, gradients, loss_sum } = readGolden('minilm/lora_gradients.json');
    const { trained, trainer: opened, fill } = await openWithLora(settings);
    await using trainer = opened;
    fill('lora_B');
    const batch = collate(goldenRows().slice(0, 8), 0);
    const { sum } = await trainer.gradients([batch], 1);
    expect(Math.abs(sum / loss_sum - 1)).toBeLessThan(1e-5);
    expect(Object.keys(gradients).map(own).sort()).toEqual([...trained.keys()].sort());
    for (const [name, { norm, max_abs, positions, values }] of Object.entries<GoldenGradient>(gradients)) {
      const { gradient } = trained.get(own(name))!.arrays;
      const sampled = positions.map((position) => gradient[position]!);
      expect(relativeError(sampled, values, max_abs), name).toBeLessThan(1e-4);
      const square = gradient.reduce((total, value) => total + value * value, 0);
      expect(Math.abs(Math.sqrt(square) / norm - 1), name).toBeLessThan(1e-4);
    }
  });

  test('50 steps of LoRA follow PEFT: loss and every gradient norm within 1e-4, the weights at the end', async () => {
    const { settings, plan, float64, start, final, trainable_parameters } = readGolden('minilm/lora.json');
    const { trained, trainer: opened } = await openWithLora(settings);
    await using trainer = opened;
    const count = [...trained.values()].reduce((sum, slot) => sum + slot.count, 0);
    expect(count).toBe(trainable_parameters);
    for (const [name, values] of Object.entries<number[]>(start)) {
      expect([...trained.get(own(name))!.arrays.weight.subarray(0, 4)]).toEqual(values.map(Math.fround));
    }
    const records = await stepsOf(trainer, plan);
    expectCurve(records, float64);
    records.forEach(({ gradientNorm }, i) => {
      expect(Math.abs(gradientNorm / float64.grad_norm[i] - 1), `norm of step ${i + 1}`).toBeLessThan(1e-4);
    });
    expect(Object.keys(final).map(own).sort()).toEqual([...trained.keys()].sort());
    for (const [name, { abs_sum, first }] of Object.entries<{ abs_sum: number; first: number[] }>(final)) {
      const { weight } = trained.get(own(name))!.arrays;
      const sum = weight.reduce((total, value) => total + Math.abs(value), 0);
      expect(Math.abs(sum / abs_sum - 1), name).toBeLessThan(1e-4);
      expect(relativeError(weight.subarray(0, first.length), first), name).toBeLessThan(1e-3);
    }
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
