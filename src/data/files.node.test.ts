import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { expandPaths, openTextFile } from './index.node.ts';
import { checkRows } from './read/readRows.ts';

const names = [
  ...['a.jsonl', 'b.csv', 'README.md', '.hidden.jsonl', 'what?.jsonl', 'x[1].json', 'x+.json'],
  ...['deep/c.jsonl', 'deep/er/d.jsonl', 'deep/.git/e.jsonl', 'notes/f.md', 'deep/er/still/g.TSV'],
];
let root: string;

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'attune-data-'));
  for (const name of names) {
    await mkdir(dirname(join(root, name)), { recursive: true });
    await writeFile(join(root, name), '{"text": "a"}\n');
  }
  await symlink(join(root, 'deep'), join(root, 'deep/er/circle'));
  await symlink(join(root, 'nowhere'), join(root, 'broken.jsonl'));
});
afterAll(() => rm(root, { recursive: true }));

const expanded = async (...paths: string[]) =>
  (await expandPaths(paths.map((path) => join(root, path)))).map((path) => path.slice(root.length + 1));

test('a file is itself, a folder its readable files in order', async () => {
  expect(await expanded('b.csv')).toEqual(['b.csv']);
  expect(await expanded('')).toEqual(['a.jsonl', 'b.csv', 'what?.jsonl', 'x+.json', 'x[1].json']);
  expect(await expanded('deep', 'a.jsonl')).toEqual(['deep/c.jsonl', 'a.jsonl']);
});

test.each([
  ['*.jsonl', ['a.jsonl', 'what?.jsonl']],
  ['.*.jsonl', ['.hidden.jsonl']],
  ['?.*', ['a.jsonl', 'b.csv']],
  ['x*.json', ['x+.json', 'x[1].json']],
  ['*/*.jsonl', ['deep/c.jsonl']],
  ['d*p/er/?.jsonl', ['deep/er/d.jsonl']],
  ['**/*.jsonl', ['a.jsonl', 'deep/c.jsonl', 'deep/er/d.jsonl', 'what?.jsonl']],
  ['deep/**', ['deep/c.jsonl', 'deep/er/d.jsonl', 'deep/er/still/g.TSV']],
  ['**/er/**/*', ['deep/er/d.jsonl', 'deep/er/still/g.TSV']],
  ['**/**/c.jsonl', ['deep/c.jsonl']],
  ['deep/*/../*.jsonl', ['deep/c.jsonl']],
  ['what?.jsonl', ['what?.jsonl']],
  ['x[1].json', ['x[1].json']],
])('glob %s', async (glob, files) => {
  expect(await expanded(glob)).toEqual(files);
});

test('a path that exists is no glob, and ? is exactly one character', async () => {
  await mkdir(join(root, 'marks'));
  for (const name of ['q?.csv', 'q1.csv', 'q.csv']) await writeFile(join(root, 'marks', name), '');
  expect(await expanded('marks/q?.csv')).toEqual(['marks/q?.csv']);
  expect(await expanded('marks/q?.cs*')).toEqual(['marks/q1.csv', 'marks/q?.csv']);
});

test('each file once, in the order of the list, wherever the current folder is', async () => {
  expect(await expanded('b.csv', '*.csv', 'a.jsonl', 'b.csv')).toEqual(['b.csv', 'a.jsonl']);
  expect(await expandPaths('src/data/read/jsonA*.ts')).toEqual([
    'src/data/read/jsonArray.test.ts',
    'src/data/read/jsonArray.ts',
  ]);
  expect(await expandPaths('package.js*')).toEqual(['package.json']);
});

test('a glob without files and a folder without readable ones are refused', async () => {
  await expect(expanded('*.parquet')).rejects.toMatchObject({ code: 'DATA_FILE', problem: 'no file matches' });
  await expect(expanded('no/where/*.csv')).rejects.toMatchObject({ code: 'DATA_FILE' });
  await expect(expanded('notes')).rejects.toMatchObject({ code: 'DATA_FILE', where: join(root, 'notes') });
});

test('an opened file can be read twice', async () => {
  const source = await openTextFile(join(root, 'a.jsonl'));
  for (const _ of [1, 2]) {
    expect((await checkRows(source)).rows).toMatchObject([{ values: { text: 'a' }, where: `${root}/a.jsonl:1` }]);
  }
});

test('a missing file names the one that was meant, and the folder that is not there', async () => {
  const [path] = await expandPaths(join(root, 'aa.jsonl'));
  await expect(openTextFile(path!)).rejects.toMatchObject({
    code: 'DATA_FILE',
    where: join(root, 'aa.jsonl'),
    problem: 'there is no such file',
    fix: `did you mean ${join(root, 'a.jsonl')}?`,
  });
  await expect(openTextFile(join(root, 'no/a.jsonl'))).rejects.toMatchObject({ fix: expect.stringContaining('/no,') });
  await expect(openTextFile(join(root, 'a.jsonl/b.jsonl'))).rejects.toMatchObject({ problem: 'there is no such file' });
});

test('a folder is not read as a file', async () => {
  await expect(openTextFile(root)).rejects.toMatchObject({
    code: 'DATA_FILE',
    problem: expect.stringContaining('folder'),
  });
});

// The superuser may read everything.
test.skipIf(process.getuid?.() === 0)('a file that may not be read is refused', async () => {
  const path = join(root, 'secret.jsonl');
  await writeFile(path, '{}');
  await chmod(path, 0);
  await expect(openTextFile(path)).rejects.toMatchObject({ code: 'DATA_FILE', problem: 'cannot be read (EACCES)' });
  await rm(path);
});

test('a file that goes away between opening and reading is a problem of the file', async () => {
  const path = join(root, 'deep/gone.jsonl');
  await writeFile(path, '{}');
  const source = await openTextFile(path);
  await rm(path);
  expect((await checkRows(source)).problems).toMatchObject([{ code: 'DATA_FILE', where: path, line: null }]);
});
