/** Saves a model as a Hugging Face folder that Transformers opens. */
import { copyFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { ggufAt, tokenizerOfGguf } from '../../files/gguf/ggufModel.node.ts';
import { type NamedTensor, safetensorsChunks } from '../../files/index.ts';
import { writeDurably, writeJson } from './atomic.node.ts';

/** What lies beside the weights and is copied as it is, so that every reader tokenises and writes alike. */
const tokenizerFiles = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.txt',
  'vocab.json',
  'merges.txt',
  'tokenizer.model',
  'spiece.model',
  'sentencepiece.bpe.model',
  'chat_template.jinja',
  'chat_template.json',
  'generation_config.json',
];

export interface SavedModel {
  readonly config: object;
  readonly tensors: readonly NamedTensor[];
  /** Where the tokenizer's files are copied from. */
  readonly tokenizerFolder: string;
  /** Further files by their names; they stand in for those that are copied. */
  readonly texts?: Readonly<Record<string, string>>;
}

export async function writeModel(
  folder: string,
  { config, tensors, tokenizerFolder, texts = {} }: SavedModel,
): Promise<void> {
  await copyTokenizer(tokenizerFolder, folder);
  await writeTexts(folder, texts);
  await writeJson(join(folder, 'config.json'), config);
  await writeDurably(join(folder, 'model.safetensors'), safetensorsChunks(tensors));
}

export async function writeTexts(folder: string, texts: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, text] of Object.entries(texts)) await writeDurably(join(folder, name), [text]);
}

/** From a folder, or from a .gguf file, whose tokenizer becomes these files. */
export async function copyTokenizer(from: string, to: string): Promise<void> {
  const gguf = await ggufAt(from);
  if (gguf !== undefined) {
    const made = await tokenizerOfGguf(gguf);
    for (const name of tokenizerFiles) if (made[name]) await writeFile(join(to, name), JSON.stringify(made[name]));
    return;
  }
  const present = new Set(await readdir(from));
  for (const name of tokenizerFiles) {
    if (present.has(name)) await copyFile(join(from, name), join(to, name));
  }
}
