/** The vocabulary of a .gguf file: pieces, their kinds, and the tokens with a part to play. */
import { corruptFile } from '../cursor.ts';
import type { Gguf } from '../gguf.ts';

/** What a piece is, by its number in the file. */
export const kinds = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const;

export interface Vocabulary {
  readonly where: string;
  readonly pieces: readonly string[];
  readonly kinds: readonly number[];
  readonly scores: readonly number[] | undefined;
  readonly merges: readonly string[] | undefined;
  /** `gpt2`, `llama` …; undefined where the file has no tokenizer. */
  readonly model: string | undefined;
  /** How text is split before it is merged. */
  readonly split: string | undefined;
  /** The id of `bos`, `eos`, `unknown` …, where the file names one. */
  id(role: string): number | undefined;
  flag(name: string): boolean | undefined;
}

export function readVocabulary(file: Gguf): Vocabulary {
  const key = (name: string): string => `tokenizer.ggml.${name}`;
  const wrong = (name: string, wanted: string): Error =>
    corruptFile(file.name, `its key '${key(name)}' is not ${wanted}`);
  const list = <T>(name: string, wanted: string, is: (value: unknown) => value is T): T[] | undefined => {
    const value = file.metadata.get(key(name));
    if (value === undefined || (Array.isArray(value) && value.every(is))) return value as T[] | undefined;
    throw wrong(name, `a list of ${wanted}`);
  };
  const plain = <T>(name: string, wanted: string, is: (value: unknown) => value is T): T | undefined => {
    const value = file.metadata.get(key(name));
    if (value === undefined || is(value)) return value;
    throw wrong(name, wanted);
  };
  const pieces = list('tokens', 'words', isText) ?? [];
  const ofEach = (name: string): number[] | undefined => {
    const values = list(name, 'numbers', isNumber);
    if (values === undefined || values.length === pieces.length) return values;
    throw wrong(name, `as long as the ${pieces.length} tokens: it has ${values.length} items`);
  };
  return {
    where: file.name,
    pieces,
    kinds: ofEach('token_type') ?? pieces.map(() => kinds.normal),
    scores: ofEach('scores'),
    merges: list('merges', 'words', isText),
    model: plain('model', 'a word', isText),
    split: plain('pre', 'a word', isText),
    id(role) {
      const id = plain(`${role}_token_id`, 'a number', isNumber);
      if (id === undefined || pieces[id] !== undefined) return id;
      throw wrong(`${role}_token_id`, `one of ${pieces.length} tokens: it is ${id}`);
    },
    flag: (name) => plain(name, 'true or false', (value): value is boolean => typeof value === 'boolean'),
  };
}

/** With special tokens among them: the tokenizers library gives those that are not new ids. */
export const idsByPiece = (pieces: readonly string[]): Record<string, number> =>
  Object.fromEntries(pieces.map((piece, id) => [piece, id]));

const isText = (value: unknown): value is string => typeof value === 'string';
const isNumber = (value: unknown): value is number => typeof value === 'number';
