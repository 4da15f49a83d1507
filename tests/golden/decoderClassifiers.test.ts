/** Small decoders under Transformers' classification head: logits, gradients, 20 steps, wherever the padding is. */
import { describe, expect, test } from 'vitest';
import { collate, type EncodedRow } from '../../src/data/batch.ts';
import { collatePacked } from '../../src/data/packing.ts';
import type { Value, Values } from '../../src/engine/runtime/index.ts';
import { openCheckpoint, requireJson } from '../../src/files/modelFolder.node.ts';
import { openScorer } from '../../src/inference/index.ts';
import { attachMethod } from '../../src/methods/index.ts';
import { describeModel } from '../../src/models/index.ts';
import { type Batch, batchInputs, buildProgram, packedInputs } from '../../src/models/nn/index.ts';
import { taskOf } from '../../src/recipes/kindOf.node.ts';
import { type Adapter, readAdapter } from '../../src/store/adapters/index.ts';
import { classify } from '../../src/tasks/index.ts';
import { allocateParameters, loadParameters, openTrainer, trainSteps } from '../../src/training/index.ts';
import { families, folderOf, full, optimizer } from './decoderModels.ts';
import { readGolden, readTensors, relativeError, runtime } from './fixtures.ts';

type Golden = Awaited<ReturnType<typeof readTensors>>;
const goldenOf = (family: string): Promise<Golden> => readTensors(`decoders/${family}/classifier.safetensors`);

interface Opening {
  readonly batch?: Batch;
  readonly queryParts?: number;
  readonly adapter?: Adapter;
}

async function open(family: string, { batch = batchInputs(), queryParts = 1, adapter }: Opening = {}) {
  const golden = await goldenOf(family);
  const folder = folderOf(family);
  const description = describeModel(await requireJson(folder, 'config.json'), folder);
  const { architecture } = description;
  const methods = [attachMethod(adapter?.method ?? full, architecture)];
  const program = buildProgram(classify(description, { numLabels: 3 }), { methods, batch, queryParts });
  const parameters = program.parameters.map(({ parameter }) => parameter);
  const memory = allocateParameters(parameters);
  const base = { ...(await openCheckpoint(folder)), where: folder };
  const opened = adapter && { ...(await adapter.open()), where: adapter.folder };
  const loaded = await loadParameters(memory, parameters, { base, adapter: opened, architecture, seed: 0 });
  await Promise.all([base.close(), opened?.close()]);
  if (!adapter) memory.trained.get('score.weight')!.arrays.weight.set(golden.get('score.weight')!.data);
  return { program, memory, loaded, golden, description };
}

type Opened = Awaited<ReturnType<typeof open>>;

async function logitsOf({ program, memory }: Opened, feeds: Values): Promise<Float32Array> {
  await using scorer = await openScorer(program, { memory, open: runtime.open, threads: 1 });
  return (await scorer.score(feeds)).logits;
}

const trainerOf = ({ program, memory }: Opened) =>
  openTrainer(program, { memory, open: runtime.open, threads: 1, seed: 0, optimizer });

function rowsOf(golden: Golden): EncodedRow[] {
  const [ids, mask, labels] = ['input_ids', 'attention_mask', 'labels'].map((name) => golden.get(`input.${name}`)!);
  const [count, width] = ids!.shape as [number, number];
  return Array.from({ length: count }, (_, row) => {
    const places = Array.from({ length: width }, (__, at) => row * width + at);
    const inputIds = places.filter((place) => mask!.data[place] === 1).map((place) => ids!.data[place]!);
    return { inputIds, label: labels!.data[row]! };
  });
}

/** The same rows with their padding before them. */
function paddedLeft(rows: readonly EncodedRow[]): Values {
  const width = Math.max(...rows.map(({ inputIds }) => inputIds.length));
  const filled = (valueAt: (row: EncodedRow, at: number) => number): Value => {
    const data = rows.flatMap((row) => {
      const start = width - row.inputIds.length;
      return Array.from({ length: width }, (_, at) => (at < start ? 0 : valueAt(row, at - start)));
    });
    return { dtype: 'int32', shape: [rows.length, width], data: Int32Array.from(data) };
  };
  const { labels } = collate(rows, 0).feeds;
  const zeros = filled(() => 0);
  const mask = filled(() => 1);
  return {
    ...{ input_ids: filled((row, at) => row.inputIds[at]!), position_ids: filled((_, at) => at) },
    ...{ attention_mask: mask, token_type_ids: zeros, labels: labels! },
  };
}

describe.each(families)('%s', (family) => {
  test('the head is the one that Transformers has', async () => {
    const { loaded, description, program } = await open(family);
    expect(loaded.fresh).toEqual(['score.weight']);
    expect(description.architecture.classification!.architectureName).toBe(
      readGolden(`decoders/${family}/classifier.json`).class,
    );
    expect(program.parameters.at(-1)!.parameter).toMatchObject({ name: 'score.weight', shape: [3, 24], head: true });
  });

  test('logits equal Transformers, padded on either side, packed, and of each row alone', async () => {
    const opened = await open(family);
    const expected = opened.golden.get('logits')!.data;
    const rows = rowsOf(opened.golden);
    expect(relativeError(await logitsOf(opened, collate(rows, 0).feeds), expected)).toBeLessThan(1e-5);
    expect(relativeError(await logitsOf(opened, paddedLeft(rows)), expected), 'left').toBeLessThan(1e-5);
    const packed = await open(family, { batch: packedInputs() });
    const sequences = [rows.slice(0, 1), rows.slice(1)];
    expect(relativeError(await logitsOf(packed, collatePacked(sequences, 0).feeds), expected)).toBeLessThan(1e-5);
    for (const [i, row] of rows.entries()) {
      const alone = await logitsOf(opened, collate([row], 0).feeds);
      expect(relativeError(alone, expected.subarray(i * 3, i * 3 + 3)), `row ${i}`).toBeLessThan(2e-5);
    }
    // Attention over some queries at a time, of which the last layer has one.
    const inParts = await open(family, { queryParts: 3 });
    expect(relativeError(await logitsOf(inParts, collate(rows, 0).feeds), expected), 'parts').toBeLessThan(1e-5);
  });

  test('the loss and the gradients equal Transformers, and those of packed rows', async () => {
    const opened = await open(family);
    const { golden } = opened;
    const rows = rowsOf(golden);
    await using trainer = await trainerOf(opened);
    const loss = await trainer.gradients([collate(rows, 0)], 1);
    expect(loss.count).toBe(4);
    expect(relativeError([loss.sum], golden.get('loss_sum')!.data)).toBeLessThan(1e-5);
    const stored = [...golden.keys()].filter((key) => key.startsWith('gradient.'));
    expect(stored.length).toBeGreaterThan(8);
    for (const key of stored) {
      const { gradient } = opened.memory.trained.get(key.slice('gradient.'.length))!.arrays;
      expect(relativeError(gradient, golden.get(key)!.data), key).toBeLessThan(1e-4);
    }
    const packed = await open(family, { batch: packedInputs() });
    await using packedTrainer = await trainerOf(packed);
    await packedTrainer.gradients([collatePacked([rows.slice(0, 2), rows.slice(2)], 0)], 1);
    for (const [name, { arrays }] of opened.memory.trained) {
      const { gradient } = packed.memory.trained.get(name)!.arrays;
      expect(relativeError(gradient, arrays.gradient), name).toBeLessThan(1e-5);
    }
  });

  test('20 steps of AdamW follow Transformers: loss, learning rate, gradient norm', async () => {
    const { plan, float64 } = readGolden(`decoders/${family}/classifier.json`);
    const data = readGolden('decoders/classifier-rows.json').rows as { input_ids: number[]; label: number }[];
    const opened = await open(family);
    await using trainer = await trainerOf(opened);
    const rows = data.map(({ input_ids: inputIds, label }) => ({ inputIds, label }));
    const steps = Array.from({ length: plan.steps }, (_, step) => ({
      batches: [collate(rows.slice((step * 4) % 40, ((step * 4) % 40) + 4), 0)],
      epoch: 0,
      lastOfEpoch: false,
    }));
    const { learning_rate: learningRate, warmup_steps: warmupSteps, steps: totalSteps } = plan;
    const schedule = { name: 'linear', learningRate, warmupSteps, totalSteps } as const;
    let step = 0;
    for await (const record of trainSteps(trainer, steps, { schedule, maxGradientNorm: 1 })) {
      expect(Math.abs(record.loss / float64.loss[step] - 1), `step ${step}`).toBeLessThan(1e-4);
      expect(Math.abs(record.gradientNorm / float64.grad_norm[step] - 1), `step ${step}`).toBeLessThan(1e-3);
      step += 1;
    }
    expect(step).toBe(20);
  });
});

describe.each(['llama', 'gpt2'])('a PEFT folder for SEQ_CLS on %s', (family) => {
  test('opens with its head, and gives the logits that PEFT gives', async () => {
    const adapter = (await readAdapter(folderOf(family, 'classifier-lora')))!;
    const opened = await open(family, { adapter });
    expect(opened.loaded.fresh).toEqual([]);
    expect(await taskOf({ adapter, artifact: { folder: folderOf(family) } })).toBe('text-classification');
    const expected = (await readTensors(`decoders/${family}/classifier-lora.safetensors`)).get('logits')!.data;
    const logits = await logitsOf(opened, collate(rowsOf(opened.golden), 0).feeds);
    expect(relativeError(logits, expected)).toBeLessThan(1e-5);
    expect(relativeError(logits, opened.golden.get('logits')!.data), 'the base alone').toBeGreaterThan(1e-2);
  });
});
