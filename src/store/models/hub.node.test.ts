import { lstat, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, utimes, writeFile } from 'node:fs/promises';
import type { Server, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { scanCacheDir } from '@huggingface/hub';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type FakeHub,
  fakeHub,
  gitOid,
  json,
  listen,
  note,
  type Seen,
  serve,
  sha256,
  stop,
} from '../../../tests/fakeHub.ts';
import { type FetchProgress, fetchModel } from '../index.ts';

const commit = 'a'.repeat(40);
const id = 'org/tiny';
const weights = Buffer.alloc(300_000, 'w');
const model: Record<string, Buffer> = {
  'config.json': Buffer.from('{"model_type":"bert"}'),
  'tokenizer.json': Buffer.from('{}'),
  '1_Pooling/config.json': Buffer.from('{"pooling":1}'),
  'model.safetensors': weights,
  'pytorch_model.bin': Buffer.from('pickle'),
  'onnx/model.onnx': Buffer.from('onnx'),
  'README.md': Buffer.from('# tiny'),
};

let hub: FakeHub;
let servers: Server[];
let home: string;
let environment: Record<string, string>;

beforeEach(async () => {
  hub = fakeHub(id, commit, model);
  home = await mkdtemp(join(tmpdir(), 'attune-hub-'));
  const api = await serve(hub);
  servers = api.servers;
  environment = { HF_ENDPOINT: api.address, HF_HOME: home, HF_TOKEN: 'hf_secret', ATTUNE_HOME: join(home, 'attune') };
});

afterEach(async () => {
  await stopServers();
  await rm(home, { recursive: true, force: true });
});

const stopServers = (): Promise<void> => stop(servers);

const cache = (): string => join(home, 'hub', 'models--org--tiny');
const blobs = async (): Promise<string[]> => readdir(join(cache(), 'blobs')).catch(() => []);

describe('a model of the hub', () => {
  test('arrives in the cache layout of Python, with the files that are needed and no others', async () => {
    const progress: FetchProgress[] = [];
    const local = await fetchModel(id, { environment, onProgress: (step) => progress.push(step) });
    const path = join(cache(), 'snapshots', commit);
    const bytes = 300_000 + model['config.json']!.length + 2 + model['1_Pooling/config.json']!.length;
    expect(local).toEqual({ reference: id, path, bytes, source: 'hub', revision: commit, name: id });
    expect((await readdir(path, { recursive: true })).sort()).toEqual([
      '1_Pooling',
      '1_Pooling/config.json',
      'config.json',
      'model.safetensors',
      'tokenizer.json',
    ]);
    expect(await readFile(join(path, 'model.safetensors'))).toEqual(weights);
    expect(await readlink(join(path, '1_Pooling/config.json'))).toMatch(/^\.\.\/\.\.\/\.\.\/blobs\/[0-9a-f]{40}$/);
    expect(await readlink(join(path, 'model.safetensors'))).toBe(`../../blobs/${sha256(weights)}`);
    expect(await readFile(join(cache(), 'refs', 'main'), 'utf8')).toBe(commit);
    expect(progress.filter(({ file }) => file === 'model.safetensors').at(-1)).toEqual({
      file: 'model.safetensors',
      received: 300_000,
      total: 300_000,
    });
    const scan = await scanCacheDir(join(home, 'hub')); // the library's own reader of the layout
    expect(scan.warnings).toEqual([]);
    expect(scan.repos[0]?.revisions[0]).toMatchObject({ commitOid: commit, refs: ['main'] });
  });

  test('is asked for with the token, which no other host is shown', async () => {
    await fetchModel(id, { environment });
    const tokens = (server: Seen['server']) =>
      new Set(hub.seen.filter((seen) => seen.server === server).map(({ token }) => token));
    expect(tokens('hub')).toEqual(new Set(['Bearer hf_secret']));
    expect(tokens('cdn')).toEqual(new Set([undefined]));
  });

  test('does not show the token to a host that the listing names', async () => {
    const other = await listen((request, response) => {
      note(hub, 'cdn', request);
      hub.next = undefined;
      json(hub, response, []);
    });
    servers.push(other.server);
    hub.next = `${other.address}/page2`;
    await fetchModel(id, { environment });
    expect(hub.seen.filter(({ url }) => url === '/page2').map(({ token }) => token)).toEqual([undefined]);
  });

  test('takes the token that `hf auth login` stored, unless that is forbidden', async () => {
    await writeFile(join(home, 'token'), 'hf_stored\n');
    const { HF_TOKEN: _, ...loggedIn } = environment;
    await fetchModel(id, {
      environment: { ...loggedIn, HF_HUB_DISABLE_IMPLICIT_TOKEN: '1', HF_HUB_CACHE: join(home, 'a') },
    });
    expect(hub.seen.every(({ token }) => token === undefined)).toBe(true);
    await fetchModel(id, { environment: loggedIn });
    expect(hub.seen.some(({ token }) => token === 'Bearer hf_stored')).toBe(true);
  });

  test('comes from the cache when the network is off', async () => {
    const first = await fetchModel(id, { environment });
    await stopServers();
    expect(await fetchModel(id, { environment })).toEqual(first);
    expect(await fetchModel(`${id}@${commit}`, { environment })).toEqual({ ...first, reference: `${id}@${commit}` });
  });

  test('is not asked for again when it has no tokenizer', async () => {
    delete hub.files['tokenizer.json'];
    await fetchModel(id, { environment });
    const requests = hub.seen.length;
    await fetchModel(id, { environment });
    expect(hub.seen.length).toBe(requests);
  });

  test('is completed when Python fetched only a part, and used as it is when no hub answers', async () => {
    await fetchModel(id, { environment });
    await rm(join(cache(), 'snapshots', commit, 'tokenizer.json'));
    const completed = await fetchModel(id, { environment });
    expect(await readdir(completed.path)).toContain('tokenizer.json');
    await rm(join(cache(), 'snapshots', commit, 'tokenizer.json'));
    await stopServers();
    expect((await fetchModel(id, { environment })).path).toBe(completed.path);
  });

  test('can be had at a branch with a slash in its name', async () => {
    const local = await fetchModel(id, { environment, revision: 'refs/pr/1' });
    expect(local.revision).toBe(commit);
    expect(hub.seen[0]?.url).toContain('/revision/refs%2Fpr%2F1?');
    expect(await readFile(join(cache(), 'refs', 'refs', 'pr', '1'), 'utf8')).toBe(commit);
  });

  test('in shards arrives with those that its index names', async () => {
    const names = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
    delete hub.files['model.safetensors'];
    for (const name of names) hub.files[name] = Buffer.from(name);
    hub.files['consolidated.safetensors'] = Buffer.from('a second copy');
    hub.files['model.safetensors.index.json'] = Buffer.from(
      JSON.stringify({ weight_map: { a: names[0], b: names[1] } }),
    );
    const local = await fetchModel(id, { environment });
    expect((await readdir(local.path)).filter((name) => name.endsWith('.safetensors'))).toEqual(names);
  });

  test('whose weights have an unusual name arrives too', async () => {
    delete hub.files['model.safetensors'];
    hub.files['tiny #1 100%.safetensors'] = weights;
    expect(await readdir((await fetchModel(id, { environment })).path)).toContain('tiny #1 100%.safetensors');
  });

  test('that is an adapter needs no config.json', async () => {
    hub.files = { 'adapter_config.json': Buffer.from('{}'), 'adapter_model.safetensors': weights };
    expect((await fetchModel(id, { environment })).bytes).toBe(300_002);
  });

  test.each([
    [['adapter.safetensors', 'adapter_config.json', 'head_config.json', 'model_head.safetensors'], 'its head'],
    [['adapter_config.json', 'adapter_model.safetensors', 'attune.json'], 'what was noted in training'],
  ])('that is an adapter of %j comes with %s', async (names) => {
    hub.files = Object.fromEntries(names.map((name) => [name, Buffer.from('{}')]));
    expect((await readdir((await fetchModel(id, { environment })).path)).sort()).toEqual(names);
  });

  test('fetched by several at once arrives once and whole for each', async () => {
    const all = await Promise.all([1, 2, 3].map(() => fetchModel(id, { environment })));
    expect(new Set(all.map(({ path }) => path)).size).toBe(1);
    expect(await readFile(join(all[0]!.path, 'model.safetensors'))).toEqual(weights);
    expect((await blobs()).length).toBe(4);
  });
});

describe('a download that goes wrong', () => {
  test('with another checksum is refused and removed', async () => {
    hub.served['model.safetensors'] = Buffer.alloc(300_000, 'x');
    await expect(fetchModel(id, { environment })).rejects.toMatchObject({
      code: 'DOWNLOAD_CORRUPT',
      where: 'model.safetensors',
    });
    expect(await blobs()).not.toContain(sha256(weights));
    expect((await blobs()).filter((name) => name.includes('incomplete'))).toEqual([]);
    await expect(stat(join(cache(), 'refs', 'main'))).rejects.toThrow();
    hub.served = {};
    await fetchModel(id, { environment });
  });

  test('is noticed in small files too', async () => {
    hub.served['config.json'] = Buffer.from('{"model_type":"evil"}');
    await expect(fetchModel(id, { environment })).rejects.toMatchObject({
      code: 'DOWNLOAD_CORRUPT',
      where: 'config.json',
    });
  });

  test('with more bytes than announced is stopped', async () => {
    hub.served['model.safetensors'] = Buffer.alloc(900_000, 'w');
    await expect(fetchModel(id, { environment })).rejects.toMatchObject({
      problem: expect.stringMatching(/more than the 300000 announced/),
    });
  });

  test('goes on where the connection broke', async () => {
    hub.sendLarge = (content, request, response) => {
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      if (from > 0) {
        response.writeHead(206, { 'content-range': `bytes ${from}-299999/300000` }).end(content.subarray(from));
      } else breakAfter(100_000, content, response);
    };
    const local = await fetchModel(id, { environment });
    expect(await readFile(join(local.path, 'model.safetensors'))).toEqual(weights);
    expect(hub.seen.filter(({ server }) => server === 'cdn').map(({ range }) => range)).toEqual([
      undefined,
      expect.stringMatching(/^bytes=[1-9]\d*-$/),
    ]);
  });

  test('begins anew when the server does not know ranges', async () => {
    let requests = 0;
    hub.sendLarge = (content, _request, response) => {
      requests += 1;
      if (requests > 1) response.writeHead(200).end(content);
      else breakAfter(100_000, content, response);
    };
    const local = await fetchModel(id, { environment });
    expect(await readFile(join(local.path, 'model.safetensors'))).toEqual(weights);
    expect(requests).toBe(2);
  });

  test('leaves nothing when it is stopped by the user', async () => {
    hub.sendLarge = (content, _request, response) => {
      response.writeHead(200, { 'content-length': content.length }).write(content.subarray(0, 100_000));
    };
    const stopping = new AbortController();
    const onProgress = ({ file }: FetchProgress): void => {
      if (file === 'model.safetensors') stopping.abort(new Error('enough'));
    };
    await expect(fetchModel(id, { environment, signal: stopping.signal, onProgress })).rejects.toThrow('enough');
    expect((await blobs()).filter((name) => name.startsWith(sha256(weights)))).toEqual([]);
    expect((await blobs()).filter((name) => name.includes('incomplete'))).toEqual([]);
    await expect(lstat(join(cache(), 'snapshots', commit, 'model.safetensors'))).rejects.toThrow();
  });

  test('clears what a killed process left a day ago, and nothing younger', async () => {
    await mkdir(join(cache(), 'blobs'), { recursive: true });
    const [old, young, foreign] = [
      'aa.attune-000000000000.incomplete',
      'bb.attune-000000000000.incomplete',
      'cc.incomplete',
    ].map((name) => join(cache(), 'blobs', name));
    for (const path of [old!, young!, foreign!]) await writeFile(path, 'part');
    for (const path of [old!, foreign!]) await utimes(path, new Date(0), new Date(0));
    await fetchModel(id, { environment });
    expect((await blobs()).filter((name) => name.includes('incomplete')).sort()).toEqual([
      'bb.attune-000000000000.incomplete',
      'cc.incomplete',
    ]);
  });
});

function breakAfter(bytes: number, content: Buffer, response: ServerResponse): void {
  response.writeHead(200, { 'content-length': content.length });
  response.write(content.subarray(0, bytes), () => setTimeout(() => response.destroy(), 50));
}

describe('a server that refuses', () => {
  const withoutToken = (): Record<string, string> => ({ ...environment, HF_TOKEN: '' });

  test.each([
    [404, true, 'MODEL_NOT_FOUND', /spelling/],
    [401, true, 'DOWNLOAD_FAILED', /HF_TOKEN is not accepted/],
    [401, false, 'MODEL_NOT_FOUND', /set HF_TOKEN/],
    [403, false, 'DOWNLOAD_FAILED', /ask for access.*set HF_TOKEN/],
    [429, true, 'DOWNLOAD_FAILED', /wait/],
    [503, true, 'DOWNLOAD_FAILED', /network/],
  ])('with %i (token: %s) is explained', async (status, hasToken, code, fix) => {
    hub.status = status;
    const failure = fetchModel(id, { environment: hasToken ? environment : withoutToken() });
    await expect(failure).rejects.toMatchObject({
      code,
      fix: expect.stringMatching(fix),
      problem: expect.stringMatching(/said the hub/),
    });
    await expect(failure).rejects.not.toThrow('hf_secret');
  });

  test('says everything that was tried', async () => {
    hub.status = 404;
    await expect(fetchModel(id, { environment })).rejects.toMatchObject({
      problem: expect.stringMatching(
        `${environment['HF_ENDPOINT']} answered 404.*no folder .*org.tiny, nothing in the cache ${join(home, 'hub')}`,
      ),
    });
  });

  test('and one that cannot be reached is told from one that has no such model', async () => {
    await stopServers();
    await expect(fetchModel(id, { environment })).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      problem: expect.stringMatching(/cannot be reached: .*ECONNREFUSED/),
    });
  });

  test('is not asked when the user forbids it', async () => {
    const offline = { ...environment, HF_HUB_OFFLINE: '1' };
    await expect(fetchModel(id, { environment: offline })).rejects.toMatchObject({
      code: 'MODEL_NOT_FOUND',
      fix: expect.stringMatching(/HF_HUB_OFFLINE/),
    });
    expect(hub.seen).toEqual([]);
  });
});

describe('a hostile or useless repository', () => {
  test.each(['../../../evil.safetensors', '/etc/evil', 'a/../../evil', '..\\evil', 'C:evil'])(
    'that lists %s is refused',
    async (path) => {
      hub.listed = [{ type: 'file', path, size: 4, oid: gitOid(Buffer.from('evil')) }];
      await expect(fetchModel(id, { environment })).rejects.toMatchObject({
        code: 'DOWNLOAD_FAILED',
        problem: expect.stringMatching(/outside the folder/),
      });
      expect(await readdir(home, { recursive: true })).toEqual([]);
    },
  );

  test.each(['../../evil', 'A'.repeat(40), ''])('whose commit is "%s" is refused', async (sha) => {
    hub.sha = sha;
    await expect(fetchModel(id, { environment })).rejects.toMatchObject({
      code: 'DOWNLOAD_FAILED',
      problem: expect.stringMatching(/names the commit/),
    });
  });

  test('whose checksum is a path is refused', async () => {
    delete hub.files['config.json'];
    hub.listed = [{ type: 'file', path: 'config.json', size: 2, oid: '../../../../evil' }];
    await expect(fetchModel(id, { environment })).rejects.toMatchObject({
      problem: expect.stringMatching(/no checksum for config.json/),
    });
  });

  test('with pickles only is refused before anything is fetched', async () => {
    delete hub.files['model.safetensors'];
    await expect(fetchModel(id, { environment })).rejects.toMatchObject({
      code: 'MODEL_INCOMPLETE',
      problem: 'lacks model.safetensors; it has pytorch_model.bin, which is not read',
    });
    expect(hub.seen.some(({ url }) => url.includes('/resolve/'))).toBe(false);
  });

  test('with .gguf files only is told how to be used', async () => {
    hub.files = { 'q4.gguf': Buffer.from('x'), 'q8.gguf': Buffer.from('x') };
    await expect(fetchModel(id, { environment })).rejects.toMatchObject({
      code: 'MODEL_INCOMPLETE',
      fix: expect.stringMatching(/give its path/),
    });
  });
});
