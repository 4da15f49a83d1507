/** Models that PEFT adapters come to, as ONNX files: their logits against PEFT's own after it merged. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { add, quantiseRows } from '../../src/engine/ops/index.ts';
import { openClassifier as openFolder } from '../../src/inference/classifier.node.ts';
import { type FloatTensor, mergedTensors } from '../../src/inference/merged.ts';
import { readModelFolder } from '../../src/inference/modelFolder.node.ts';
import { buildProgram, type Method } from '../../src/models/nn/index.ts';
import { inferenceGraph } from '../../src/recipes/export/inferenceGraph.ts';
import { plainModel } from '../../src/recipes/export/plainModel.node.ts';
import { readAdapter } from '../../src/store/adapters/index.ts';
import { classify } from '../../src/tasks/index.ts';
import { frozenMemory } from '../../src/training/index.ts';
import { feedsOf, goldenFolder, openClassifier, readGolden, readTensors, relativeError, runtime } from './fixtures.ts';
import { openPartial } from './partial.ts';

const base = `${goldenFolder}/bert-tiny/model`;
const source = await readModelFolder(base);
const labels = source.labels!;
const baseLogits = (await readTensors('bert-tiny/step0.safetensors')).get('logits')!.data;
const options = { open: runtime.open, threads: 1 };

/** What the file answers to a golden batch, fed as transformers.js feeds it. */
async function logitsOf(bytes: Uint8Array, golden: Awaited<ReturnType<typeof readTensors>>): Promise<Float32Array> {
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1 });
  const values = feedsOf(golden);
  const feeds = session.inputNames.map((name) => {
    const { shape, data } = values[name]!;
    return [name, new Tensor('int64', BigInt64Array.from(data as Int32Array, BigInt), shape)] as const;
  });
  const { logits } = await session.run(Object.fromEntries(feeds));
  await session.release();
  return logits!.data as Float32Array;
}

describe.each(Object.keys(readGolden('lora-tiny/cases.json').cases))('PEFT folder %s', async (name) => {
  const golden = await readTensors(`lora-tiny/${name}/golden.safetensors`);
  const adapter = (await readAdapter(`${goldenFolder}/lora-tiny/${name}/adapter`))!;
  const checkpoint = await adapter.open();
  const { program, memory } = await openPartial(adapter.method, { adapter: checkpoint });
  await checkpoint.close();
  const tensors = await mergedTensors(program, { memory, ...options });

  test('becomes the plain model: its tensors and no others', async () => {
    const plain = buildProgram(classify(source.description, { numLabels: labels.length }));
    expect(tensors.map((tensor) => tensor.name)).toEqual(plain.parameters.map(({ parameter }) => parameter.name));
  });

  test('in fp32 gives the logits that PEFT gives merged', async () => {
    const logits = await logitsOf(inferenceGraph({ source, labels, tensors }, 'fp32'), golden);
    expect(relativeError(logits, golden.get('merged.logits')!.data)).toBeLessThan(2e-5);
    expect(relativeError(logits, baseLogits), 'the base alone').toBeGreaterThan(1e-2);
  });

  test('in int8 gives nearly the logits of its rounded weights in fp32', async () => {
    const int8 = await logitsOf(inferenceGraph({ source, labels, tensors }, 'int8'), golden);
    const fp32 = await logitsOf(inferenceGraph({ source, labels, tensors: tensors.map(rounded) }, 'fp32'), golden);
    // The adapters are random and large: what is rounded grows from layer to layer. A wrong index gives 1.
    expect(relativeError(int8, fp32)).toBeLessThan(0.2);
  });
});

/** What 8 bits leave of a weight: 63 steps on either side in linear layers, 127 in the embedding of the text. */
function rounded(tensor: FloatTensor): FloatTensor {
  const [rows, width] = tensor.shape as [number, number];
  const isText = tensor.name.endsWith('word_embeddings.weight');
  if (!isText && !/(query|key|value|dense)\.weight$/.test(tensor.name)) return tensor;
  const { steps, scales } = quantiseRows(tensor.data, rows, isText ? 127 : 63);
  const data = Float32Array.from(steps, (step, i) => step * scales[Math.floor(i / width)]!);
  data.forEach((value, i) => {
    expect(Math.abs(value - tensor.data[i]!)).toBeLessThanOrEqual(scales[Math.floor(i / width)]! * 0.5001);
  });
  return { ...tensor, data };
}

describe('the file', async () => {
  const { program, memory } = await openClassifier(base, labels.length);
  const tensors = await mergedTensors(program, { memory, ...options });
  const model = { source, labels, tensors };

  test('in int8 is close to its rounded weights in fp32, and they to PyTorch', async () => {
    const golden = await readTensors('bert-tiny/step0.safetensors');
    const int8 = await logitsOf(inferenceGraph(model, 'int8'), golden);
    const fp32 = await logitsOf(inferenceGraph({ ...model, tensors: tensors.map(rounded) }, 'fp32'), golden);
    expect(relativeError(int8, fp32)).toBeLessThan(0.05);
    expect(relativeError(fp32, baseLogits)).toBeLessThan(0.08);
  });

  test('has the inputs and the output that Hugging Face names, of any size', async () => {
    for (const precision of ['fp32', 'int8'] as const) {
      const session = await InferenceSession.create(inferenceGraph(model, precision));
      expect(session.inputMetadata).toEqual(
        ['input_ids', 'token_type_ids', 'attention_mask'].map((name) =>
          expect.objectContaining({ name, type: 'int64', shape: ['batch', 'sequence'] }),
        ),
      );
      expect(session.outputMetadata).toEqual([
        expect.objectContaining({ name: 'logits', type: 'float32', shape: ['batch', labels.length] }),
      ]);
      await session.release();
    }
  });

  test('has standard operators only: the domain of others stands in its imports alone', () => {
    for (const precision of ['fp32', 'int8'] as const) {
      const text = Buffer.from(inferenceGraph(model, precision)).toString('latin1');
      expect(text.split('com.microsoft').length - 1).toBe(1);
    }
  });

  test('is refused where the weights do not fit into one', () => {
    const words = 'bert.embeddings.word_embeddings.weight';
    // Zeros that nobody touches take no memory.
    const large = tensors.map((one) => (one.name === words ? { ...one, data: new Float32Array(5.1e8) } : one));
    expect(() => inferenceGraph({ ...model, tensors: large }, 'fp32')).toThrow(
      expect.objectContaining({
        code: 'EXPORT_UNSUPPORTED',
        where: '--to onnx --dtype fp32',
        problem: 'the weights take 2.0 GB, and one ONNX file holds at most 2 GB',
        fix: 'use --dtype int8, or --to hf',
      }),
    );
  });
});

test('a merge that would answer otherwise is refused', async () => {
  const adapter = (await readAdapter(`${goldenFolder}/lora-tiny/plain/adapter`))!;
  await using classifier = await openFolder({ folder: base, adapter }, { threads: 1, batchSize: 1 });
  const { drift } = await plainModel(classifier, { base: 'dequantised', precision: 'fp32', where: 'before' });
  expect(drift.maxLogitDifference).toBeLessThan(1e-5);
  const site = 'bert.encoder.layer.0.attention.self.query';
  const [a, b] = ['lora_A', 'lora_B'].map((name) => classifier.memory.frozen.get(`${site}.${name}.weight`)!);
  const rank = adapter.method.name === 'lora' ? adapter.method.r : 0;
  const [width, out] = [a!.length / rank, b!.length / rank];
  // Two additions that nearly cancel: what is left of them is the rounding, which merging changes.
  for (let i = 0; i < width; i++) a![width + i] = a![i]! * (1 + 1e-5 * Math.sin(i));
  for (let o = 0; o < out; o++) b!.set([1e4, -1e4], o * rank);
  await expect(plainModel(classifier, { base: 'dequantised', precision: 'fp32', where: 'here' })).rejects.toMatchObject(
    { code: 'MERGE_DRIFT', where: 'here' },
  );
});

test('a method that adds what no weight can hold is refused by the name of what it adds', async () => {
  const method: Method = {
    name: 'shift',
    linear: (site, next) => next(add(site.x, site.added('shift', [1], 'zeros'))),
  };
  const program = buildProgram(classify(source.description, { numLabels: labels.length }), { methods: [method] });
  const memory = frozenMemory(new Map());
  await expect(mergedTensors(program, { memory, ...options })).rejects.toMatchObject({
    code: 'EXPORT_UNSUPPORTED',
    where: 'bert.encoder.layer.0.attention.self.query.shift',
  });
});
