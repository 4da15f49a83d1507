/** Adapters that stand on one base hold one copy of it, answer as they do alone, and leave it as it is. */
import { cpSync, mkdtempSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Artifact, type Classifier, openClassifier } from '../../src/inference/classifier.node.ts';
import { inferenceGraph } from '../../src/recipes/export/inferenceGraph.ts';
import { plainModel } from '../../src/recipes/export/plainModel.node.ts';
import { parseRecipe } from '../../src/recipes/schema/index.ts';
import { openTarget } from '../../src/recipes/target.node.ts';
import { runTraining } from '../../src/recipes/train/train.node.ts';
import { reviews, tinyRecipe, writeReviews } from '../e2e/reviews.ts';

const folder = mkdtempSync(join(tmpdir(), 'attune-shared-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const tinyModel = join(import.meta.dirname, '../golden/bert-tiny/model');
const { signal } = new AbortController();
const inputs = reviews(12, 300).map(({ text }) => ({ text }));
const methods = {
  first: { name: 'lora', r: 4, target_modules: ['query', 'value'] },
  second: { name: 'lora', r: 2, target_modules: ['query', 'dense'] },
  frozen: { name: 'freeze', trainable: 1 },
};
type Name = keyof typeof methods;

async function artifactOf(name: Name): Promise<Artifact> {
  return (await openTarget(join(folder, name), signal)).artifact;
}

const open = async (artifact: Artifact): Promise<Classifier> =>
  await openClassifier(artifact, { threads: 1, maxLength: 32, batchSize: 8 });

/** Opened on a copy of the base that no other model uses. */
async function answersAlone(name: Name) {
  const own = mkdtempSync(join(folder, 'alone-'));
  cpSync(join(folder, 'base'), own, { recursive: true });
  await using model = await open({ ...(await artifactOf(name)), folder: own });
  return await model.predict(inputs);
}

const arraysOf = ({ memory }: Classifier) => memory.frozen;
const isOwn = (name: string): boolean => /lora_|^classifier\./.test(name);
const bytesOf = (model: Classifier) =>
  [...arraysOf(model)].map(([name, values]) => [name, Buffer.from(Uint8Array.from(new Uint8Array(values.buffer)))]);

beforeAll(async () => {
  cpSync(tinyModel, join(folder, 'base'), { recursive: true });
  writeReviews(folder);
  const data = { train: join(folder, 'train.jsonl'), validation: join(folder, 'validation.jsonl') };
  for (const [name, method] of Object.entries(methods)) {
    const training = { learning_rate: 0.01, max_steps: 12 };
    const places = { model: join(folder, 'base'), output_dir: join(folder, name) };
    const recipe = parseRecipe(tinyRecipe({ data, training, method, ...places }) as never, '');
    await runTraining(recipe, { onEvent: () => undefined, signal });
  }
});

describe('two adapters on one base', () => {
  test('hold the same arrays, and their own beside them', async () => {
    await using first = await open(await artifactOf('first'));
    await using second = await open(await artifactOf('second'));
    const shared = [...arraysOf(first)].filter(([name]) => !isOwn(name));
    expect(shared.length).toBeGreaterThan(50);
    for (const [name, values] of shared) expect(arraysOf(second).get(name) === values, name).toBe(true);
    expect(arraysOf(second).get('classifier.weight')).not.toBe(arraysOf(first).get('classifier.weight'));
    await using frozen = await open(await artifactOf('frozen'));
    const sameAsFrozen = shared.filter(([name, values]) => arraysOf(frozen).get(name) === values);
    const trained = shared.filter(([name]) => /layer\.2\.|pooler/.test(name));
    expect(sameAsFrozen.length).toBe(shared.length - trained.length);
  });

  test('that are opened at the same moment read it once', async () => {
    const [first, second] = await Promise.all([open(await artifactOf('first')), open(await artifactOf('second'))]);
    const name = 'bert.embeddings.word_embeddings.weight';
    expect(arraysOf(first).get(name)).toBe(arraysOf(second).get(name));
    await first[Symbol.asyncDispose]();
    await second[Symbol.asyncDispose]();
  });

  test('answer as they do alone, also in turns and after the other was closed', async () => {
    const alone = { first: await answersAlone('first'), second: await answersAlone('second') };
    expect(alone.first).not.toEqual(alone.second);
    await using first = await open(await artifactOf('first'));
    const second = await open(await artifactOf('second'));
    expect(await first.predict(inputs)).toEqual(alone.first);
    expect(await second.predict(inputs)).toEqual(alone.second);
    const [again, other] = await Promise.all([first.predict(inputs), second.predict(inputs)]);
    expect([again, other]).toEqual([alone.first, alone.second]);
    await second[Symbol.asyncDispose]();
    expect(await first.predict(inputs)).toEqual(alone.first);
  });

  test('stay as they are when one of them is merged and exported', async () => {
    await using first = await open(await artifactOf('first'));
    const before = bytesOf(first);
    const plain = await plainModel(first, { base: 'dequantised', precision: 'fp32', where: 'first' });
    for (const precision of ['fp32', 'int8'] as const) inferenceGraph(plain, precision);
    expect(bytesOf(first)).toEqual(before);
  });
});

test('two adapters over one base in other precisions keep it in their own form', async () => {
  const artifact = async (base_precision: 'int8' | 'int4'): Promise<Artifact> => {
    const { folder: base, adapter } = await artifactOf('first');
    return {
      folder: base,
      adapter: { ...adapter!, method: { ...adapter!.method, base_precision } as never, fingerprint: undefined },
    };
  };
  const formOf = ({ memory }: Classifier): string => {
    const packed = memory.packed.get('bert.encoder.layer.0.attention.self.query.weight')!;
    return Object.values(packed)[0]!.dtype;
  };
  await using eight = await open(await artifact('int8'));
  await using four = await open(await artifact('int4'));
  expect([formOf(eight), formOf(four)]).toEqual(['int8', 'uint8']);
  expect((await four.predict(inputs))[0]!.label).toEqual(expect.any(String));
});

describe('the shared base', () => {
  test('is read again when its file has changed', async () => {
    const base = join(folder, 'changing');
    cpSync(join(folder, 'base'), base, { recursive: true });
    const artifact = { ...(await artifactOf('first')), folder: base };
    await using before = await open(artifact);
    const weights = join(base, 'model.safetensors');
    utimesSync(weights, new Date(), new Date(Date.now() + 5000));
    await using after = await open(artifact);
    const name = 'bert.embeddings.word_embeddings.weight';
    expect(arraysOf(after).get(name)).not.toBe(arraysOf(before).get(name));
    expect(arraysOf(after).get(name)).toEqual(arraysOf(before).get(name));
  });

  test('goes with the last model that stands on it', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const base = join(folder, 'leaving');
    cpSync(join(folder, 'base'), base, { recursive: true });
    const held = await (async () => {
      await using model = await open({ ...(await artifactOf('first')), folder: base });
      await model.predict(inputs);
      return new WeakRef(arraysOf(model).get('bert.embeddings.word_embeddings.weight')!);
    })();
    const isGone = (): boolean => {
      collect();
      return held.deref() === undefined;
    };
    await expect.poll(isGone, { timeout: 10_000 }).toBe(true);
  });
});
