import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { tinyModel } from '../../../tests/golden/ggufTokenizer.ts';
import { modelFiles, openCheckpoint, readJson, requireJson } from '../modelFolder.node.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'attune-gguf-'));
  file = join(folder, 'tiny.gguf');
  await writeFile(file, tinyModel());
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test.each(['the file', 'its folder'])('%s reads like a Hugging Face folder', async (which) => {
  const place = which === 'the file' ? file : folder;
  expect(await requireJson(place, 'config.json')).toMatchObject({ model_type: 'llama', hidden_size: 32 });
  expect(await requireJson(place, 'tokenizer.json')).toMatchObject({ model: { type: 'BPE' } });
  expect(await requireJson(place, 'tokenizer_config.json')).toMatchObject({ eos_token: '</s>' });
  expect(await requireJson(place, 'generation_config.json')).toMatchObject({ bos_token_id: 3 });
  expect(await readJson(place, 'attune.json')).toBeUndefined();
  expect(await modelFiles(place)).toEqual({ folder, names: ['tiny.gguf'] });
  const checkpoint = await openCheckpoint(place);
  expect(checkpoint.shapeOf('model.layers.0.self_attn.q_proj.weight')).toEqual([32, 32]);
  const values = await checkpoint.readFloats('model.norm.weight');
  expect(Array.from(values)).toEqual(Array(32).fill(1));
  await checkpoint.close();
});

test('a file that has changed is read again', async () => {
  const before = await requireJson(file, 'config.json');
  await writeFile(file, tinyModel({ 'llama.rope.freq_base': ['f32', 500] }));
  expect(before).toMatchObject({ rope_theta: 10_000 });
  expect(await requireJson(file, 'config.json')).toMatchObject({ rope_theta: 500 });
});

test('of several files one has to be named; beside other weights a .gguf file is not the model', async () => {
  await writeFile(join(folder, 'other.gguf'), tinyModel());
  await expect(requireJson(folder, 'config.json')).rejects.toMatchObject({
    code: 'GGUF_UNSUPPORTED',
    problem: expect.stringMatching(/2 \.gguf files: (tiny|other)/),
  });
  await writeFile(join(folder, 'model.safetensors'), '');
  await writeFile(join(folder, 'config.json'), '{"model_type":"bert"}');
  expect(await requireJson(folder, 'config.json')).toEqual({ model_type: 'bert' });
});

test('a file that is not there is said to be missing', async () => {
  await expect(requireJson(join(folder, 'gone.gguf'), 'config.json')).rejects.toMatchObject({
    code: 'MODEL_INCOMPLETE',
  });
});
