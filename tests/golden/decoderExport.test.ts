/** Small decoders as ONNX files: in onnxruntime they write what Transformers does, fed as transformers.js feeds them. */
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { openCheckpoint, requireJson } from '../../src/files/modelFolder.node.ts';
import type { FloatTensor } from '../../src/inference/merged.ts';
import { describeModel } from '../../src/models/index.ts';
import { decoderGraph } from '../../src/recipes/export/decoderGraph.ts';
import type { Precision } from '../../src/recipes/export/inferenceGraph.ts';
import { families, folderOf } from './decoderModels.ts';
import { readGolden, relativeError } from './fixtures.ts';

async function graphOf(family: string, precision: Precision): Promise<Uint8Array> {
  const folder = folderOf(family);
  const description = describeModel(await requireJson(folder, 'config.json'), folder);
  const checkpoint = await openCheckpoint(folder);
  const tensors: FloatTensor[] = [];
  for (const name of checkpoint.names) {
    const [shape, data] = [checkpoint.shapeOf(name)!, await checkpoint.readFloats(name)];
    tensors.push({ name, dtype: 'float32', shape: [...shape], data });
  }
  await checkpoint.close();
  return decoderGraph({ description, tensors }, precision);
}

const ints = (rows: readonly (readonly number[])[]): Tensor =>
  new Tensor('int64', BigInt64Array.from(rows.flat(), BigInt), [rows.length, rows[0]!.length]);

interface Fed {
  readonly ids: readonly (readonly number[])[];
  /** Of all tokens so far. */
  readonly mask: readonly (readonly number[])[];
  readonly past: Readonly<Record<string, Tensor>>;
  /** transformers.js counts from 1 with Gemma 3. */
  readonly firstPosition: number;
}

async function step(session: InferenceSession, { ids, mask, past, firstPosition }: Fed) {
  const positions = mask.map((row) => {
    let count = 0;
    return row.map((one) => (one === 1 ? count++ + firstPosition : 1)).slice(-ids[0]!.length);
  });
  const feeds = { input_ids: ints(ids), attention_mask: ints(mask), position_ids: ints(positions), ...past };
  const { logits, ...others } = await session.run(feeds);
  const renamed = Object.entries(others).map(([name, value]) => [name.replace('present', 'past_key_values'), value]);
  return { logits: logits!, past: Object.fromEntries(renamed) as Record<string, Tensor> };
}

/** Without a place, as transformers.js makes it. */
function emptyPast(session: InferenceSession, rows: number): Record<string, Tensor> {
  const past = session.inputMetadata.filter(({ name }) => name.startsWith('past_key_values.'));
  return Object.fromEntries(
    past.map((one) => {
      const [, heads, , width] = (one as unknown as { shape: (number | string)[] }).shape as number[];
      return [one.name, new Tensor('float32', new Float32Array(0), [rows, heads!, 0, width!])];
    }),
  );
}

const rowsOf = ({ data, dims }: Tensor): Float32Array[] =>
  Array.from({ length: dims[0]! }, (_, row) => {
    return (data as Float32Array).subarray(row * dims[2]!, (row + 1) * dims[2]!);
  });

const likeliest = (scores: Float32Array): number =>
  scores.reduce((best, value, i) => (value > scores[best]! ? i : best), 0);

/** Prompts padded on the left, all of them until the last has so many tokens. */
async function greedy(session: InferenceSession, prompts: readonly (readonly number[])[], firstPosition = 0) {
  const longest = Math.max(...prompts.map(({ length }) => length));
  let ids: (readonly number[])[] = prompts.map((prompt) => [
    ...new Array<number>(longest - prompt.length).fill(0),
    ...prompt,
  ]);
  let mask = prompts.map((prompt) => ids[0]!.map((_, at) => (at < longest - prompt.length ? 0 : 1)));
  let past = emptyPast(session, prompts.length);
  const made: number[][] = prompts.map(() => []);
  for (let count = 0; count < 12; count++) {
    const read = await step(session, { ids, mask, past, firstPosition });
    expect(read.logits.dims).toEqual([prompts.length, 1, 64]);
    past = read.past;
    const next = rowsOf(read.logits).map(likeliest);
    next.forEach((token, row) => void made[row]!.push(token));
    ids = next.map((token) => [token]);
    mask = mask.map((row) => [...row, 1]);
  }
  return made;
}

describe.each(families)('%s', (family) => {
  const { prompts, tokens } = readGolden(`decoders/${family}/golden.json`).greedy as Record<string, number[][]>;

  test('writes the tokens of Transformers, alone and beside others', async () => {
    const session = await InferenceSession.create(await graphOf(family, 'fp32'), { intraOpNumThreads: 1 });
    expect(await greedy(session, prompts!)).toEqual(tokens);
    expect(await greedy(session, [prompts![1]!])).toEqual([tokens![1]]);
    if (family === 'gemma3_text') expect(await greedy(session, prompts!, 1)).toEqual(tokens);
    await session.release();
  });

  test('names its inputs and outputs as transformers.js does, and uses standard operators alone', async () => {
    const bytes = await graphOf(family, 'fp32');
    const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1 });
    const layers = [0, 1].flatMap((layer) => ['key', 'value'].map((name) => `${layer}.${name}`));
    expect([...session.inputNames].sort()).toEqual(
      ['attention_mask', 'input_ids', 'position_ids', ...layers.map((name) => `past_key_values.${name}`)].sort(),
    );
    expect([...session.outputNames].sort()).toEqual(['logits', ...layers.map((name) => `present.${name}`)].sort());
    await session.release();
    for (const precision of ['fp32', 'int8'] as const) {
      const text = Buffer.from(await graphOf(family, precision)).toString('latin1');
      // The name of the other set of operators stands among its imports alone.
      expect(text.split('com.microsoft').length - 1).toBe(1);
    }
  });

  test('in 8 bits keeps a quarter of the bytes, and nearly the scores', async () => {
    const [exact, rounded] = [await graphOf(family, 'fp32'), await graphOf(family, 'int8')];
    // A row of 24 has a scale beside it, and norms and operators stay as they are.
    expect(rounded.length).toBeLessThan(0.75 * exact.length);
    const scores: Float32Array[] = [];
    for (const bytes of [exact, rounded]) {
      const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1 });
      const ids = [prompts![0]!];
      const fed = { ids, mask: ids.map((row) => row.map(() => 1)), past: emptyPast(session, 1), firstPosition: 0 };
      scores.push(Float32Array.from((await step(session, fed)).logits.data as Float32Array));
      await session.release();
    }
    const difference = relativeError(scores[1]!, scores[0]!);
    expect(difference).toBeGreaterThan(1e-5);
    expect(difference).toBeLessThan(0.05);
  });
});
