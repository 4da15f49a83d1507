/** Files and folders that appear whole or not at all: written beside their place, then renamed. */
import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

const besideName = (path: string): string =>
  join(dirname(path), `.${basename(path)}.${process.pid}-${randomBytes(4).toString('hex')}`);

/** Writes the pieces one after the other and waits until the disk has them. */
export async function writeDurably(path: string, pieces: Iterable<Uint8Array | string>, flags = 'w'): Promise<void> {
  const handle = await open(path, flags);
  try {
    for (const piece of pieces) await handle.writeFile(piece);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Makes the names in a folder as durable as the files: without it a power failure may undo a rename. */
export async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return; // Windows opens no folder, and keeps renames in its journal.
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces a file. Readers see the old one or the new one. */
export async function replaceFile(path: string, pieces: Iterable<Uint8Array | string>): Promise<void> {
  const beside = besideName(path);
  try {
    await writeDurably(beside, pieces);
    await rename(beside, path);
    await syncFolder(dirname(path));
  } catch (failure) {
    await rm(beside, { force: true });
    throw failure;
  }
}

/** Where a full disk has no room beside a file: the room that it has already is used. What does not fit is undone. */
export async function overwrite(path: string, text: string): Promise<void> {
  const before = await readFile(path);
  try {
    await writeOver(path, Buffer.from(text));
  } catch (failure) {
    await writeOver(path, before);
    throw failure;
  }
}

async function writeOver(path: string, bytes: Uint8Array): Promise<void> {
  const handle = await open(path, 'r+');
  try {
    await handle.writeFile(bytes);
    await handle.truncate(bytes.length);
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Replaces a folder by the one that `fill` writes. If it fails, the old one stays. */
export async function replaceFolder(path: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const beside = besideName(path);
  try {
    await mkdir(beside, { recursive: true });
    await fill(beside);
    await syncFolder(beside);
    await swapFolders(beside, path);
  } catch (failure) {
    await rm(beside, { recursive: true, force: true });
    throw failure;
  }
}

/** A folder cannot be renamed onto a full one: the old one steps aside first, and comes back if that fails. */
async function swapFolders(from: string, to: string): Promise<void> {
  const aside = besideName(to);
  const stepped = await rename(to, aside).then(
    () => true,
    (failure: NodeJS.ErrnoException) => {
      if (failure.code === 'ENOENT') return false;
      throw failure;
    },
  );
  try {
    await rename(from, to);
  } catch (failure) {
    if (stepped) await rename(aside, to);
    throw failure;
  }
  await syncFolder(dirname(to));
  if (stepped) await rm(aside, { recursive: true, force: true });
}

/** Takes a folder away at once, so that no half of it is ever found under its name, and then removes it. */
export async function removeFolder(path: string): Promise<void> {
  const aside = besideName(path);
  await rename(path, aside);
  await rm(aside, { recursive: true, force: true });
}

/** Removes what a killed program left beside its files. Only who holds the folder's lock may call this. */
export async function removeLeftovers(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  const left = names.filter((name) => /^\..+\.\d+-[0-9a-f]{8}$/.test(name));
  for (const name of left) await rm(join(folder, name), { recursive: true, force: true });
}

/** A small file of settings or facts, as people read it. */
export const writeJson = (path: string, value: object): Promise<void> =>
  writeDurably(path, [`${JSON.stringify(value, null, 2)}\n`]);
