/** The folder that an export leaves: new, whole, and never over something else. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import { replaceFolder } from '../../store/runs/atomic.node.ts';

/** Refuses a place that holds something. */
export async function refuseUsedPlace(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return;
  const isEmpty = found.isDirectory() && (await readdir(path)).length === 0;
  if (isEmpty) return;
  throw new AttuneError({
    code: 'OUTPUT_EXISTS',
    where: `--output ${path}`,
    problem: found.isDirectory() ? 'the folder is not empty' : 'it is a file',
    fix: 'choose a folder that is empty or not there',
  });
}

export async function writeFolder(path: string, fill: (folder: string) => Promise<void>): Promise<void> {
  await refuseUsedPlace(path);
  try {
    await replaceFolder(path, fill);
  } catch (failure) {
    const { code, message } = failure as NodeJS.ErrnoException;
    if (failure instanceof AttuneError || code === undefined) throw failure;
    const isFull = code === 'ENOSPC' || code === 'EDQUOT';
    const problem = isFull ? 'the disk is full' : message;
    const fix = `${isFull ? 'make room, or ' : ''}choose another --output`;
    throw new AttuneError({ code: 'OUTPUT_WRITE', where: path, problem, fix }, { cause: failure });
  }
}

export interface WrittenFile {
  /** From the folder, with slashes. */
  readonly name: string;
  readonly bytes: number;
}

export async function filesOf(folder: string): Promise<WrittenFile[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  const named = paths.map((path) => ({ path, name: path.slice(join(folder, '/').length).replaceAll('\\', '/') }));
  const sorted = named.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return Promise.all(sorted.map(async ({ path, name }) => ({ name, bytes: (await stat(path)).size })));
}
