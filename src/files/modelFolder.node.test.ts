import { cpSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { safetensorsChunks } from './index.ts';
import { openCheckpoint } from './modelFolder.node.ts';

const parts = new URL('../../tests/golden/decoders/llama/parts', import.meta.url).pathname;
const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function copied(): string {
  const folder = mkdtempSync(join(tmpdir(), 'attune-parts-'));
  folders.push(folder);
  cpSync(parts, folder, { recursive: true });
  return folder;
}

test('weights in several files are one checkpoint', async () => {
  const checkpoint = await openCheckpoint(parts);
  const { weight_map: map } = JSON.parse(readFileSync(join(parts, 'model.safetensors.index.json'), 'utf8'));
  expect([...checkpoint.names].sort()).toEqual(Object.keys(map).sort());
  expect(checkpoint.shapeOf('lm_head.weight')).toEqual([64, 24]);
  const values = await checkpoint.readFloats('model.norm.weight');
  expect(values.every((value) => Math.abs(value - 1) < 2)).toBe(true);
  await checkpoint.close();
});

test('a part that is missing is named', async () => {
  const folder = copied();
  rmSync(join(folder, 'model-00002-of-00002.safetensors'));
  await expect(openCheckpoint(folder)).rejects.toMatchObject({
    code: 'MODEL_INCOMPLETE',
    problem: expect.stringContaining('model-00002-of-00002.safetensors'),
  });
});

const [first, second] = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'] as const;
const INDEX = 'model.safetensors.index.json';
const mapOf = (folder: string): Record<string, string> =>
  JSON.parse(readFileSync(join(folder, INDEX), 'utf8')).weight_map;

/** A part with other tensors. */
function rewritten(folder: string, name: string, tensors: Readonly<Record<string, number>>): void {
  const list = Object.entries(tensors).map(([of, value]) => ({
    name: of,
    dtype: 'float32' as const,
    shape: [1],
    data: Float32Array.of(value),
  }));
  writeFileSync(join(folder, name), Buffer.concat([...safetensorsChunks(list)]));
}

test('a tensor that two parts hold is read from the one that the index names', async () => {
  for (const named of [first, second]) {
    const folder = copied();
    rewritten(folder, first, { twice: 1, one: 1 });
    rewritten(folder, second, { twice: 2, two: 2 });
    writeFileSync(join(folder, INDEX), JSON.stringify({ weight_map: { twice: named, one: first, two: second } }));
    const checkpoint = await openCheckpoint(folder);
    expect([...(await checkpoint.readFloats('twice'))]).toEqual([named === first ? 1 : 2]);
    await checkpoint.close();
  }
});

const refused = (folder: string, problem: string) =>
  expect(openCheckpoint(folder)).rejects.toMatchObject({
    code: 'MODEL_INCOMPLETE',
    problem: expect.stringContaining(problem),
  });

test('a tensor that the index does not know is named, with its part', async () => {
  const folder = copied();
  const { 'lm_head.weight': _, ...map } = mapOf(folder);
  writeFileSync(join(folder, INDEX), JSON.stringify({ weight_map: map }));
  await refused(folder, "it has the tensor 'lm_head.weight', which is not in model.safetensors.index.json");
});

test('a part that the index does not know is named; one of another division is not its own', async () => {
  const folder = copied();
  const map = Object.entries(mapOf(folder)).filter(([, part]) => part === first);
  writeFileSync(join(folder, INDEX), JSON.stringify({ weight_map: Object.fromEntries(map) }));
  await refused(folder, `${second} is not in ${INDEX}`);
  renameSync(join(folder, second), join(folder, 'model-00003-of-00003.safetensors'));
  await (await openCheckpoint(folder)).close();
});

test('parts without an index are told from no weights at all', async () => {
  const folder = copied();
  rmSync(join(folder, INDEX));
  await refused(folder, `it has ${first}, but no ${INDEX}`);
});

test('so is a tensor that its part does not hold', async () => {
  const folder = copied();
  const index = join(folder, 'model.safetensors.index.json');
  const { weight_map: map } = JSON.parse(readFileSync(index, 'utf8'));
  writeFileSync(index, JSON.stringify({ weight_map: { ...map, 'model.extra.weight': map['lm_head.weight'] } }));
  await expect(openCheckpoint(folder)).rejects.toMatchObject({
    code: 'MODEL_INCOMPLETE',
    problem: expect.stringContaining("'model.extra.weight'"),
  });
});
