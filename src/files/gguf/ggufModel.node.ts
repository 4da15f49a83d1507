/** A .gguf file on disk, by itself or in a folder, as the files that a Hugging Face folder has. */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { openFile } from '../bytes.node.ts';
import type { Checkpoint } from '../checkpoint.ts';
import { type Gguf, openGguf } from './gguf.ts';
import { ggufCheckpoint, ggufConfig } from './model/describe.ts';
import { unsupported } from './model/facts.ts';
import { tokenizerFiles } from './tokenizer/tokenizerFiles.ts';

/** What a .gguf file holds besides weights. */
const described = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'generation_config.json'];

/** The .gguf file that has to say what is asked for; undefined where a file of that name has to. */
export const ggufThatSays = async (place: string, name: string): Promise<string | undefined> =>
  described.includes(name) ? await ggufAt(place) : undefined;

/** The .gguf file that a path names, or that is the model of a folder; undefined where something else is. */
export async function ggufAt(path: string): Promise<string | undefined> {
  if (path.endsWith('.gguf')) return (await stat(path).catch(() => undefined))?.isFile() ? path : undefined;
  const names = await readdir(path).catch(() => []); // not a folder: said by whoever needs one
  const files = names.filter((name) => name.endsWith('.gguf'));
  if (files.length === 0 || names.some((name) => name.endsWith('.safetensors'))) return undefined;
  if (files.length === 1) return join(path, files[0]!);
  throw unsupported(
    path,
    `it holds ${files.length} .gguf files: ${files.slice(0, 4).join(', ')}`,
    'name one of them: give its own path',
  );
}

type Files = Readonly<Record<string, object>>;

/** One of the files that Hugging Face's folder of the model has. */
export const readFromGguf = async (path: string, name: string): Promise<object | undefined> =>
  name === 'config.json' ? await opened(path, ggufConfig) : (await tokenizerOfGguf(path))[name];

/** Held weakly: a vocabulary is large, and its files are asked for one after the other. */
let latest: { readonly identity: string; readonly files: WeakRef<Files> } | undefined;

/** The files of its tokenizer, by name. */
export function tokenizerOfGguf(path: string): Promise<Files> {
  return opened(path, (file) => {
    const known = latest !== undefined && latest.identity === file.identity ? latest.files.deref() : undefined;
    const files = known ?? tokenizerFiles(file);
    if (file.identity !== undefined) latest = { identity: file.identity, files: new WeakRef(files) };
    return files;
  });
}

async function opened<T>(path: string, use: (file: Gguf) => T | Promise<T>): Promise<T> {
  const file = await openGguf(await openFile(path));
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** Its weights under Hugging Face's names. */
export async function openGgufCheckpoint(path: string): Promise<Checkpoint> {
  const file = await openGguf(await openFile(path));
  try {
    return await ggufCheckpoint(file);
  } catch (failure) {
    await file.close();
    throw failure;
  }
}
