/** A model folder as what a program is built from: architecture, config, tokenizer, labels. */
import { openTokenizer, type Tokenizer } from '../data/tokenizer.ts';
import { AttuneError } from '../errors/index.ts';
import { requireJson } from '../files/modelFolder.node.ts';
import { describeModel, type ModelDescription } from '../models/index.ts';

export interface ModelSource {
  readonly folder: string;
  /** config.json as it is, with the fields that nobody here reads. */
  readonly configFields: Readonly<Record<string, unknown>>;
  readonly description: ModelDescription;
  readonly tokenizer: Tokenizer;
  /** tokenizer_config.json as it is. */
  readonly tokenizerFields: Readonly<Record<string, unknown>>;
  /** Label names in the order of the head's outputs; undefined where config.json names none. */
  readonly labels?: readonly string[];
}

/** Reads everything but the weights. */
export async function readModelFolder(folder: string): Promise<ModelSource> {
  const configFields = (await requireJson(folder, 'config.json')) as Record<string, unknown>;
  const description = describeModel(configFields, `${folder}/config.json`);
  const tokenizer = (await requireJson(folder, 'tokenizer.json')) as object;
  const tokenizerFields = (await requireJson(folder, 'tokenizer_config.json')) as Record<string, unknown>;
  return {
    folder,
    configFields,
    description,
    tokenizer: withinVocabulary(
      endingUnpadded(openTokenizer(tokenizer, tokenizerFields, `${folder}/tokenizer.json`), description),
      description.config.vocab_size,
      folder,
    ),
    tokenizerFields,
    labels: labelsOf(configFields),
  };
}

/**
 * Transformers' classifiers over decoders tell padding by its token: one that a text ends with is not read, and nothing
 * before it sees it.
 */
function endingUnpadded(tokenizer: Tokenizer, { architecture, config }: ModelDescription): Tokenizer {
  const pad = architecture.classification?.padTokenId?.(config);
  if (pad === undefined) return tokenizer;
  return {
    ...tokenizer,
    encode(text, options) {
      const { inputIds, tokenTypeIds, dropped } = tokenizer.encode(text, options);
      // Of padding alone the first token is read.
      const length = Math.max(1, inputIds.findLastIndex((id) => id !== pad) + 1);
      return { inputIds: inputIds.slice(0, length), tokenTypeIds: tokenTypeIds.slice(0, length), dropped };
    },
  };
}

/** A tokenizer of another model may know more tokens than this one has embeddings for. */
function withinVocabulary(tokenizer: Tokenizer, vocabularySize: number, folder: string): Tokenizer {
  const within = (ids: readonly number[]): void => {
    const beyond = ids.find((id) => id >= vocabularySize);
    if (beyond === undefined) return;
    throw new AttuneError({
      code: 'MODEL_TOKENIZER',
      where: `${folder}/tokenizer.json`,
      problem: `it gives token ${beyond}, but config.json says that the model has ${vocabularySize} tokens`,
      fix: 'use the tokenizer.json that came with the model',
    });
  };
  return {
    ...tokenizer,
    encode(text, options) {
      const encoding = tokenizer.encode(text, options);
      within(encoding.inputIds);
      return encoding;
    },
    ids(text) {
      const ids = tokenizer.ids(text);
      within(ids);
      return ids;
    },
  };
}

/** id2label, where it really names something: Transformers fills in LABEL_0, LABEL_1 … by itself. */
function labelsOf({ id2label }: Readonly<Record<string, unknown>>): string[] | undefined {
  if (typeof id2label !== 'object' || id2label === null) return undefined;
  const names = Object.entries(id2label).sort(([a], [b]) => Number(a) - Number(b));
  return names.map(([, name]) => String(name));
}

/** What a recipe for classification means that says nothing. */
const USUAL_LENGTH = 128;

interface Length {
  /** What a recipe means that says nothing: a model with fewer positions takes as many as it has. */
  readonly usual?: number;
  /** Positions that a method takes. */
  readonly taken?: number;
}

/** The length of inputs that is used: what is wished, unless the model has no positions for it. */
export function usableLength(
  wished: number | undefined,
  { folder, description }: Pick<ModelSource, 'folder' | 'description'>,
  { usual = USUAL_LENGTH, taken = 0 }: Length = {},
): number {
  const limit = description.config.max_position_embeddings - taken;
  if (limit < 1) throw noRoom(taken, folder);
  if (wished === undefined || wished === usual) return Math.min(usual, limit);
  if (wished <= limit) return wished;
  throw new AttuneError({
    code: 'CONFIG_INVALID',
    where: 'data.max_length',
    problem: `${wished} tokens are asked for, but the model in ${folder} has positions for ${limit}`,
    fix: `give at most ${limit}`,
  });
}

const noRoom = (taken: number, folder: string): AttuneError =>
  new AttuneError({
    code: 'CONFIG_INVALID',
    where: 'method.num_virtual_tokens',
    problem: `${taken} are asked for, and the model in ${folder} has no more positions than that`,
    fix: 'give fewer, so that the text has room',
  });
