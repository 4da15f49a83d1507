/** What a recipe names under `data.train` to the files that it means. */
import type { Dirent, Stats } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { AttuneError } from '../errors/index.ts';
import { unreadable } from './openTextFile.node.ts';
import { isReadable, readableEndings } from './read/readRows.ts';

/**
 * Files in the order of the list, each once. A path is a file; a folder, for the readable files directly in it, sorted;
 * or a glob: `*` is any text in a name, `?` one character, `**` as a whole name any number of folders. Names that start
 * with a dot are found only by a pattern that does too. A path that exists is never taken for a glob.
 */
export async function expandPaths(paths: string | readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const path of typeof paths === 'string' ? [paths] : paths) found.push(...(await expand(path)));
  return [...new Set(found)];
}

async function expand(path: string): Promise<string[]> {
  const stats = await statOf(path);
  if (stats === undefined && /[*?]/.test(path)) return filesOfGlob(path);
  // A missing file is told by `openTextFile`, which knows the names near it.
  return stats?.isDirectory() ? filesOfFolder(path) : [path];
}

const statOf = (path: string): Promise<Stats | undefined> => stat(path).catch(() => undefined);

async function filesOfFolder(folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const entry of await entriesOf(folder)) {
    const path = join(folder, entry.name);
    if (!entry.name.startsWith('.') && isReadable(entry.name) && (await statOf(path))?.isFile()) files.push(path);
  }
  if (files.length > 0) return files.sort(byCodeUnits);
  const problem = `no file in the folder ends in ${readableEndings.join(', ')}`;
  const fix = 'give the folder that holds the files; for files in folders below it give a glob such as data/**/*.jsonl';
  throw new AttuneError({ code: 'DATA_FILE', where: folder, problem, fix });
}

async function entriesOf(folder: string): Promise<Dirent[]> {
  try {
    return await readdir(folder === '' ? '.' : folder, { withFileTypes: true });
  } catch (error) {
    throw await unreadable(folder, error);
  }
}

async function filesOfGlob(glob: string): Promise<string[]> {
  const names = (sep === '\\' ? glob.replaceAll('\\', '/') : glob).split('/');
  const isAbsolute = names[0] === '';
  const found = await matches(isAbsolute ? '/' : '', isAbsolute ? names.slice(1) : names);
  if (found.size > 0) return [...found].sort(byCodeUnits);
  const fix = `mend the glob; it starts at ${process.cwd()}`;
  throw new AttuneError({ code: 'DATA_FILE', where: glob, problem: 'no file matches', fix });
}

/** The files below a folder that the names of a pattern lead to. */
async function matches(folder: string, [name, ...rest]: readonly string[]): Promise<Set<string>> {
  if (name === undefined) return new Set();
  if (name === '**') return matchesBelow(folder, rest);
  if (!/[*?]/.test(name)) return leadOn(join(folder, name), rest);
  const pattern = patternOf(name);
  const found = new Set<string>();
  for (const entry of await entriesOf(folder)) {
    if (!pattern.test(entry.name)) continue;
    for (const path of await leadOn(join(folder, entry.name), rest)) found.add(path);
  }
  return found;
}

async function leadOn(path: string, rest: readonly string[]): Promise<Set<string>> {
  const stats = await statOf(path);
  if (rest.length === 0) return new Set(stats?.isFile() ? [path] : []);
  return stats?.isDirectory() ? matches(path, rest) : new Set();
}

/** `**` is no folder, or any folders. Links to folders are not entered: they may lead in a circle. */
async function matchesBelow(folder: string, rest: readonly string[]): Promise<Set<string>> {
  const found = await matches(folder, rest.length === 0 ? ['*'] : rest);
  for (const entry of await entriesOf(folder)) {
    if (!entry.isDirectory() || entry.name.startsWith('.')) continue;
    for (const path of await matchesBelow(join(folder, entry.name), rest)) found.add(path);
  }
  return found;
}

function patternOf(name: string): RegExp {
  const source = name
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replace(/\?/g, '.');
  return new RegExp(`^${/^[*?]/.test(name) ? '(?!\\.)' : ''}${source}$`, 'su');
}

const byCodeUnits = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
