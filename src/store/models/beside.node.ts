import { randomBytes } from 'node:crypto';
import { lstat, mkdir, readdir, rename, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { AttuneError } from '../../errors/index.ts';

const unfinished = /\.attune-[0-9a-f]{12}\.incomplete$/;
const dayMs = 24 * 60 * 60 * 1000;

/** A name beside the final one that no other process uses. */
export function unfinishedName(target: string): string {
  return `${target}.attune-${randomBytes(6).toString('hex')}.incomplete`;
}

/** Makes the folder, and clears what processes that were killed a day ago or earlier left in it. */
export async function prepareFolder(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  for (const name of await readdir(folder)) {
    if (!unfinished.test(name)) continue;
    const path = join(folder, name);
    const found = await lstat(path).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs > dayMs) await rm(path, { recursive: true, force: true });
  }
}

/** Gives a finished file or folder its name. False: another process was faster, and its result is in place. */
export async function moveInto(finished: string, target: string): Promise<boolean> {
  try {
    await rename(finished, target);
    return true;
  } catch (error) {
    const taken = ['EEXIST', 'ENOTEMPTY', 'EPERM', 'EACCES', 'EBUSY'].includes(codeOf(error) ?? '');
    if (!taken || !(await exists(target))) throw error;
    return false;
  }
}

/** Refuses before anything is fetched when it would not fit. */
export async function requireSpace(folder: string, bytes: number, where: string): Promise<void> {
  const disk = await statfs(folder);
  const free = disk.bavail * disk.bsize;
  if (free >= bytes) return;
  const problem = `${gigabytes(bytes)} are needed in ${folder}, ${gigabytes(free)} are free`;
  const fix = 'free some space, or set HF_HOME and ATTUNE_HOME to folders on a larger disk';
  throw new AttuneError({ code: 'OUTPUT_WRITE', where, problem, fix });
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(2)} GB`;
}

export async function exists(path: string): Promise<boolean> {
  return lstat(path).then(
    () => true,
    () => false,
  );
}

/** The system's name for an error: ENOENT, ENOTFOUND, … */
export function codeOf(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  return typeof code === 'string' ? code : undefined;
}
