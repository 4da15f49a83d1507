import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
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
