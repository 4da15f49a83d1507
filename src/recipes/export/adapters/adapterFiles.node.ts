/** What the forms of an adapter alone have in common: files that are taken over as they are, and the base that they name. */
import { copyFile, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { ModelDescription } from '../../../models/index.ts';
import { type Adapter, expectNamedBase, MANIFEST } from '../../../store/adapters/index.ts';
import { writeJson } from '../../../store/runs/atomic.node.ts';
import { baseFolder } from '../../target.node.ts';

/** Copies the files whose whole names fit. */
export async function copyFiles(from: string, to: string, names: RegExp): Promise<void> {
  for (const name of await readdir(from)) {
    if (names.test(name)) await copyFile(join(from, name), join(to, name));
  }
}

/** Where the base lies, if that is known: a path from the old folder, or from here, leads nowhere from the new one. */
export function basePath(adapter: Adapter): string | undefined {
  const found = baseFolder(adapter);
  return found === undefined ? undefined : resolve(found);
}

export const baseName = (adapter: Adapter): string => basePath(adapter) ?? expectNamedBase(adapter).name;

export async function nameBaseInManifest(folder: string, { manifest }: Adapter, base: string): Promise<void> {
  if (!manifest) return;
  await writeJson(join(folder, MANIFEST), { ...manifest, base: { ...manifest.base, name: base, reference: base } });
}

/** Number of blocks, as config.json of each family names it. */
export const blocksOf = ({ config }: ModelDescription): number =>
  Number(Reflect.get(config, 'num_hidden_layers') ?? Reflect.get(config, 'n_layer'));
