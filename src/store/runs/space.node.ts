/** Room on the disk, asked before something is written: a save that breaks off half way helps nobody. */
import { existsSync } from 'node:fs';
import { readdir, stat, statfs } from 'node:fs/promises';
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
    const found = await stat(join(folder, name));
    if (found.isFile()) sizes.set(found.ino, found.size);
  }
  return [...sizes.values()].reduce((a, b) => a + b, 0);
}

/** Throws DISK_SPACE unless there is room. Disks that do not tell are trusted. */
export async function refuseFullDisk(path: string, { bytes, what }: Need): Promise<void> {
  const disk = await statfs(standing(resolve(path))).catch(() => undefined);
  if (!disk || disk.blocks === 0) return;
  const free = disk.bavail * disk.bsize;
  if (free >= bytes) return;
  throw new AttuneError({
    code: 'DISK_SPACE',
    where: path,
    problem: `${what} takes ${megabytes(bytes)}, and the disk has ${megabytes(free)} left; nothing was written`,
    fix: 'make room, lower training.save_total_limit, or choose an output_dir on another disk',
  });
}

/** The path, or the nearest folder above it that exists. */
const standing = (path: string): string =>
  existsSync(path) || dirname(path) === path ? path : standing(dirname(path));

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;
