/** Room on the disk, asked before something is written: a save that breaks off half way helps nobody. */
import { existsSync, statfsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { AttuneError } from '../../errors/index.ts';

export interface Need {
  readonly bytes: number;
  /** What they are for: `a checkpoint`. */
  readonly what: string;
}

/** What the files below a folder take; those with several names count once. */
export async function bytesBelow(folder: string): Promise<number> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const sizes = new Map<number, number>();
  for (const name of names) {
    const found = await stat(join(folder, name)).catch(() => undefined); // gone since: another program writes here
    if (found?.isFile()) sizes.set(found.ino, found.size);
  }
  return [...sizes.values()].reduce((a, b) => a + b, 0);
}

/** Throws DISK_SPACE unless there is room. Disks that do not tell are trusted. */
export async function refuseFullDisk(path: string, { bytes, what }: Need): Promise<void> {
  const free = freeBytes(path);
  if (free >= bytes) return;
  throw new AttuneError({
    code: 'DISK_SPACE',
    where: path,
    problem: `${what} takes ${megabytes(bytes)}, and the disk has ${megabytes(free)} left; nothing was written`,
    fix: 'make room, lower training.save_total_limit, or choose an output_dir on another disk',
  });
}

/** Room on the disk of a path that need not exist yet; endless where the disk does not tell. */
export function freeBytes(path: string): number {
  try {
    const { blocks, bavail, bsize } = statfsSync(standing(resolve(path)));
    return blocks === 0 ? Number.POSITIVE_INFINITY : bavail * bsize;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}

/** The path, or the nearest folder above it that exists. */
const standing = (path: string): string =>
  existsSync(path) || dirname(path) === path ? path : standing(dirname(path));

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
