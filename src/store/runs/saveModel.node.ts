/** Saves a model as a Hugging Face folder that Transformers opens. */
import { copyFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { filesOfGguf, ggufAt } from '../../files/gguf/ggufModel.node.ts';
import { type NamedTensor, safetensorsChunks } from '../../files/index.ts';
import { writeDurably } from './atomic.node.ts';

/** What a tokenizer's folder may hold; copied as it is, so that every reader tokenises alike. */
const tokenizerFiles = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
];

export interface SavedModel {
  readonly config: Readonly<Record<string, unknown>>;
  readonly tensors: readonly NamedTensor[];
  /** Where the tokenizer's files are copied from. */
  readonly tokenizerFolder: string;
}

export async function writeModel(folder: string, { config, tensors, tokenizerFolder }: SavedModel): Promise<void> {
  await copyTokenizer(tokenizerFolder, folder);
  await writeDurably(join(folder, 'config.json'), [`${JSON.stringify(config, null, 2)}\n`]);
  await writeDurably(join(folder, 'model.safetensors'), safetensorsChunks(tensors));
}

/** From a folder, or from a .gguf file, whose tokenizer becomes these files. */
export async function copyTokenizer(from: string, to: string): Promise<void> {
  const gguf = await ggufAt(from);
  if (gguf !== undefined) {
    const made = await filesOfGguf(gguf);
    for (const name of tokenizerFiles) if (made[name]) await writeFile(join(to, name), JSON.stringify(made[name]));
    return;
  }
  const present = new Set(await readdir(from));
  for (const name of tokenizerFiles) {
    if (present.has(name)) await copyFile(join(from, name), join(to, name));
  }
}
