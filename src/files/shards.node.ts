/** Weights in several files: an index says which of them has each tensor, and it is believed. */
import { join } from 'node:path';
import { type Checkpoint, joinFiles } from './checkpoint.ts';
import { incomplete } from './incomplete.ts';
import type { Safetensors } from './safetensors.ts';

export const INDEX = 'model.safetensors.index.json';

/** File by tensor. */
type WeightMap = ReadonlyMap<string, string>;

/** What the index says. Throws where it does not name files of its folder. */
export function weightMap(folder: string, index: unknown): WeightMap {
  const map = typeof index === 'object' && index !== null ? Reflect.get(index, 'weight_map') : undefined;
  const places = typeof map === 'object' && map !== null ? Object.entries(map) : [];
  const isProper = (name: unknown): boolean => typeof name === 'string' && /^[^/\\]+$/.test(name) && name !== '..';
  if (places.length > 0 && places.every(([, name]) => isProper(name))) return new Map(places as [string, string][]);
  throw incomplete(join(folder, INDEX), 'its weight_map does not name files of this folder');
}

interface OnDisk {
  readonly folder: string;
  /** All files of the folder. */
  readonly present: readonly string[];
}

/** Part 2 of 2 belongs to part 1 of 2: without it the index is that of another version. */
export function refuseUnlisted(map: WeightMap, { folder, present }: OnDisk): void {
  const listed = new Set(map.values());
  const counts = new Set([...listed].map(countOf));
  const left = present.find((name) => countOf(name) !== undefined && counts.has(countOf(name)) && !listed.has(name));
  if (left !== undefined) throw incomplete(folder, `${left} is not in ${INDEX}`);
}

export function refuseWithoutIndex({ folder, present }: OnDisk): void {
  const part = present.includes('model.safetensors') ? undefined : present.find((name) => countOf(name) !== undefined);
  if (part === undefined) return;
  throw incomplete(folder, `it has ${part}, but no ${INDEX}, which says what lies in it`);
}

/** Of how many parts a file is one. */
const countOf = (name: string): string | undefined => /^model-\d+-of-(\d+)\.safetensors$/.exec(name)?.[1];

/** Each tensor from the file that the index names, even where another file has one of this name too. */
export function joinShards(map: WeightMap, parts: ReadonlyMap<string, Safetensors>, folder: string): Checkpoint {
  for (const [tensor, part] of map) {
    if (parts.get(part)!.tensors.has(tensor)) continue;
    throw incomplete(join(folder, part), `it has no tensor '${tensor}', which ${INDEX} says it has`);
  }
  for (const [part, { tensors }] of parts) {
    const left = [...tensors.keys()].find((tensor) => !map.has(tensor));
    if (left === undefined) continue;
    throw incomplete(join(folder, part), `it has the tensor '${left}', which is not in ${INDEX}`);
  }
  const files = [...parts.values()];
  return joinFiles(files, (tensor, file) => (parts.get(map.get(tensor)!) === file ? tensor : undefined));
}
