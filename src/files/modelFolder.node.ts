/**
 * A Hugging Face model folder: config.json, the tokenizer's files, weights in .safetensors. In its place may stand a .gguf
 * file, by itself or in a folder: then these files and names are made from what it holds.
 */
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { openFile } from './bytes.node.ts';
import { type Checkpoint, joinFiles } from './checkpoint.ts';
import { ggufAt, ggufThatSays, openGgufCheckpoint, readFromGguf } from './gguf/ggufModel.node.ts';
import { incomplete } from './incomplete.ts';
import { openSafetensors, type Safetensors } from './safetensors.ts';
import { INDEX, joinShards, refuseUnlisted, refuseWithoutIndex, weightMap } from './shards.node.ts';

/** A JSON file of a model folder; undefined where there is none. */
export async function readJson(folder: string, name: string): Promise<unknown> {
  const gguf = await ggufThatSays(folder, name);
  if (gguf !== undefined) return await readFromGguf(gguf, name);
  const path = join(folder, name);
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (failure) {
    if (['ENOENT', 'ENOTDIR'].includes((failure as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw failure;
  }
  try {
    return JSON.parse(text);
  } catch (failure) {
    throw incomplete(path, `it is not JSON: ${(failure as Error).message}`);
  }
}

/** A JSON file that the folder must have. */
export async function requireJson(folder: string, name: string): Promise<unknown> {
  const value = await readJson(folder, name);
  if (value === undefined) throw incomplete(folder, `there is no ${name}`);
  return value;
}

/** The weights: model.safetensors, or the parts that model.safetensors.index.json lists. */
export async function openCheckpoint(folder: string): Promise<Checkpoint> {
  const gguf = await ggufAt(folder);
  if (gguf !== undefined) return openGgufCheckpoint(gguf);
  const map = await readMap(folder);
  const files = new Map<string, Safetensors>();
  try {
    for (const name of namesIn(map)) files.set(name, await openWeights(folder, name));
    return map ? joinShards(map, files, folder) : joinFiles([...files.values()]);
  } catch (failure) {
    for (const file of files.values()) await file.close();
    throw failure;
  }
}

/** Which file has which tensor; undefined where all of them are in one. */
async function readMap(folder: string) {
  const index = await readJson(folder, INDEX);
  const onDisk = { folder, present: await readdir(folder).catch(() => []) }; // no folder: said by whoever opens a file
  if (index === undefined) {
    refuseWithoutIndex(onDisk);
    return undefined;
  }
  const map = weightMap(folder, index);
  refuseUnlisted(map, onDisk);
  return map;
}

const namesIn = (map: Awaited<ReturnType<typeof readMap>>): readonly string[] =>
  map ? [...new Set(map.values())] : ['model.safetensors'];

/** Which matrices the file of the weights keeps in blocks of few bits, and how. */
export async function ownFormsOf(place: string): Promise<NonNullable<Checkpoint['ownFormOf']>> {
  const gguf = await ggufAt(place);
  if (gguf === undefined) return () => undefined;
  const checkpoint = await openGgufCheckpoint(gguf);
  const forms = new Map(checkpoint.names.map((name) => [name, checkpoint.ownFormOf?.(name)]));
  await checkpoint.close();
  return (name) => forms.get(name);
}

/** The files that make the model what it is. */
export async function modelFiles(
  place: string,
): Promise<{ readonly folder: string; readonly names: readonly string[] }> {
  const gguf = await ggufAt(place);
  if (gguf !== undefined) return { folder: dirname(gguf), names: [basename(gguf)] };
  return { folder: place, names: ['config.json', 'tokenizer.json', ...namesIn(await readMap(place))] };
}

async function openWeights(folder: string, name: string): Promise<Safetensors> {
  try {
    return await openSafetensors(await openFile(join(folder, name)));
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code !== 'ENOENT') throw failure;
    throw incomplete(folder, `there are no weights: ${name} is missing`);
  }
}
