/**
 * A folder a second time. Large files get a second name only: they are never changed in place, so both names keep what
 * they have now. Small ones, which somebody may edit by hand, are copied.
 */
import { copyFile, link, mkdir, open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { syncFolder } from '../runs/atomic.node.ts';
import { type FileFacts, factsOf } from './manifest.node.ts';

const LARGE_BYTES = 4_000_000;

/** Returns the names of the files. */
export async function linkFolder(from: string, to: string): Promise<string[]> {
  await mkdir(to, { recursive: true });
  const names = await readdir(from);
  for (const name of names) {
    const paths = [join(from, name), join(to, name)] as const;
    const isLarge = (await stat(paths[0])).size >= LARGE_BYTES;
    // Some disks know no links.
    await (isLarge ? link(...paths).catch(() => copyFile(...paths)) : copyFile(...paths));
    await syncFile(join(to, name));
  }
  await syncFolder(to);
  return names;
}

async function syncFile(path: string): Promise<void> {
  if (process.platform === 'win32') return; // There it takes a handle that writes, which a file of a model may refuse.
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Whether a folder has exactly these files, by their checksums. */
export async function holds(folder: string, files: Readonly<Record<string, FileFacts>>): Promise<boolean> {
  const names = await readdir(folder).catch(() => []);
  if (names.length !== Object.keys(files).length) return false;
  for (const name of names) {
    if (files[name]?.sha256 !== (await factsOf(join(folder, name))).sha256) return false;
  }
  return true;
}
