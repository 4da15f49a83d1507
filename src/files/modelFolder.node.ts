/**
 * A Hugging Face model folder: config.json, the tokenizer's files, weights in .safetensors. In its place may stand a .gguf
 * file, by itself or in a folder: then these files and names are made from what it holds.
 */
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AttuneError } from '../errors/index.ts';
import { openFile } from './bytes.node.ts';
import { type Checkpoint, joinFiles } from './checkpoint.ts';
import { ggufAt, ggufThatSays, openGgufCheckpoint, readFromGguf } from './gguf/ggufModel.node.ts';
import { openSafetensors, type Safetensors } from './safetensors.ts';

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
  const files: Safetensors[] = [];
  try {
    const names = await weightFiles(folder);
    for (const name of names) files.push(await openWeights(folder, name));
    await refuseLacking(folder, new Map(names.map((name, i) => [name, files[i]!])));
  } catch (failure) {
    for (const file of files) await file.close();
    throw failure;
  }
  return joinFiles(files);
}

const INDEX = 'model.safetensors.index.json';
const readIndex = async (folder: string) => (await readJson(folder, INDEX)) as { weight_map?: unknown } | undefined;

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
  return { folder: place, names: ['config.json', 'tokenizer.json', ...(await weightFiles(place))] };
}

/** Names of the files that hold the weights. */
async function weightFiles(folder: string): Promise<string[]> {
  const index = await readIndex(folder);
  return index ? shardNames(folder, index.weight_map) : ['model.safetensors'];
}

/** A part of another version may lack tensors that the index says it has. */
async function refuseLacking(folder: string, parts: ReadonlyMap<string, Safetensors>): Promise<void> {
  const index = await readIndex(folder);
  for (const [tensor, part] of Object.entries((index?.weight_map ?? {}) as Record<string, string>)) {
    if (parts.get(part)!.tensors.has(tensor)) continue;
    throw incomplete(join(folder, part), `it has no tensor '${tensor}', which ${INDEX} says it has`);
  }
}

async function openWeights(folder: string, name: string): Promise<Safetensors> {
  try {
    return await openSafetensors(await openFile(join(folder, name)));
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code !== 'ENOENT') throw failure;
    throw incomplete(folder, `there are no weights: ${name} is missing`);
  }
}

function shardNames(folder: string, map: unknown): string[] {
  const names = typeof map === 'object' && map !== null ? [...new Set(Object.values(map))] : [];
  const proper = (name: unknown): name is string =>
    typeof name === 'string' && basename(name) === name && name !== '..';
  if (names.length === 0 || !names.every(proper)) {
    throw incomplete(join(folder, INDEX), 'its weight_map does not name files of this folder');
  }
  return names as string[];
}

function incomplete(where: string, problem: string): AttuneError {
  const fix = 'give a complete Hugging Face model folder (config.json, tokenizer.json, model.safetensors)';
  return new AttuneError({ code: 'MODEL_INCOMPLETE', where, problem, fix });
}
