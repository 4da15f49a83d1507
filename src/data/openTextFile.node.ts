/** Files of the disk as sources of text. */
import { createReadStream } from 'node:fs';
import { access, constants, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AttuneError, nearest } from '../errors/index.ts';
import type { TextSource } from './read/textSource.ts';

/** A file to read. A path that is no readable file is refused here, before anything is read. */
export async function openTextFile(path: string): Promise<TextSource> {
  let isFile: boolean;
  try {
    isFile = (await stat(path)).isFile();
    await access(path, constants.R_OK);
  } catch (error) {
    throw await unreadable(path, error);
  }
  if (!isFile) {
    const fix = 'give a file, or a glob such as data/*.jsonl';
    throw new AttuneError({ code: 'DATA_FILE', where: path, problem: 'is a folder or a device, not a file', fix });
  }
  return { name: path, chunks: () => chunksOf(path) };
}

async function* chunksOf(path: string): AsyncGenerator<Uint8Array> {
  const chunks: AsyncIterable<Uint8Array> = createReadStream(path);
  try {
    yield* chunks;
  } catch (error) {
    throw await unreadable(path, error);
  }
}

/** Errors of the file system become problems of the file; all others are ours. */
export async function unreadable(path: string, error: unknown): Promise<unknown> {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === undefined) return error;
  const isMissing = code === 'ENOENT' || code === 'ENOTDIR';
  const problem = isMissing ? 'there is no such file' : `cannot be read (${code})`;
  const fix = isMissing ? await fixMissing(path) : 'give a file that this user may read';
  return new AttuneError({ code: 'DATA_FILE', where: path, problem, fix }, { cause: error });
}

async function fixMissing(path: string): Promise<string> {
  const folder = dirname(path);
  const names = await readdir(folder).catch(() => undefined);
  if (names === undefined) return `make the folder ${folder}, or mend the path; it starts at ${process.cwd()}`;
  const close = nearest(basename(path), names);
  return close === undefined ? 'check the path' : `did you mean ${join(folder, close)}?`;
}
