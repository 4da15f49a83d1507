/** From text to token ids. One path serves training, evaluation and prediction. */
import { Tokenizer as HuggingFaceTokenizer } from '@huggingface/tokenizers';
import { AttuneError } from '../errors/index.ts';

/** What a model reads of one text, or of a pair. */
export interface Encoding {
  readonly inputIds: readonly number[];
  readonly tokenTypeIds: readonly number[];
  /** Tokens that did not fit. */
  readonly dropped: number;
}

export interface Tokenizer {
  readonly padTokenId: number;
  /** `maxLength` counts special tokens too. Of a pair the longer text is cut first, as Transformers does. */
  encode(text: string, options: { pair?: string; maxLength: number }): Encoding;
  /** Ids of a text as it stands: special tokens are those that are written in it, and none is added. */
  ids(text: string): number[];
  decode(ids: readonly number[], options?: { readonly skipSpecial?: boolean }): string;
  /** Undefined for an id that no token has. */
  tokenOf(id: number): string | undefined;
  readonly specialIds: ReadonlySet<number>;
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  /** What it puts around a text that stands alone. */
  readonly around: { readonly before: readonly number[]; readonly after: readonly number[] };
}

/** The special tokens that a tokenizer puts around one text, or around two. */
interface Frame {
  readonly before: readonly number[];
  readonly between: readonly number[];
  readonly after: readonly number[];
  /** Type of the tokens of each part: before, text, between, pair, after. */
  readonly types: readonly [number, number, number, number, number];
}

/** `tokenizer` and `config` are the parsed tokenizer.json and tokenizer_config.json; `where` names them in errors. */
export function openTokenizer(tokenizer: object, config: object, where: string): Tokenizer {
  try {
    const inner = new HuggingFaceTokenizer(tokenizer, config);
    const prepare = splitsChinese(tokenizer) ? spaceRareChinese : (text: string) => text;
    const bare = (text: string): number[] => inner.encode(prepare(text), { add_special_tokens: false }).ids;
    const single = frameOf(inner, 'a');
    let pairs: Frame | undefined;
    // Only tasks on pairs ask for it: tokenizers of language models need not have one.
    const paired = (): Frame => (pairs ??= frameOf(inner, 'a', 'b'));
    return {
      padTokenId: namedToken(inner, config, 'pad_token') ?? 0,
      encode(text, { pair, maxLength }) {
        const parts = pair === undefined ? [bare(text)] : [bare(text), bare(pair)];
        return framed(pair === undefined ? single : paired(), parts, maxLength);
      },
      ids: bare,
      decode: (ids, { skipSpecial = false } = {}) =>
        ids.length === 0
          ? ''
          : inner.decode([...ids], { skip_special_tokens: skipSpecial, clean_up_tokenization_spaces: false }),
      tokenOf: (id) => inner.id_to_token(id),
      specialIds: specialsOf(inner),
      bosTokenId: namedToken(inner, config, 'bos_token'),
      eosTokenId: namedToken(inner, config, 'eos_token'),
      around: single,
    };
  } catch (failure) {
    throw new AttuneError(
      {
        code: 'MODEL_TOKENIZER',
        where,
        problem: `the tokenizer cannot be used: ${(failure as Error).message}`,
        fix: 'use the tokenizer.json and tokenizer_config.json that came with the model',
      },
      { cause: failure },
    );
  }
}

/** Whether the normalizer puts spaces around every Chinese character, as BERT's does. */
const splitsChinese = (tokenizer: object): boolean =>
  Reflect.get((Reflect.get(tokenizer, 'normalizer') as object | null) ?? {}, 'handle_chinese_chars') === true;

/** The library does this for two-byte characters only: here for those beyond, in the blocks that BERT names. */
const spaceRareChinese = (text: string): string =>
  text.replace(/[\u{20000}-\u{2A6DF}\u{2A700}-\u{2CEAF}\u{2F800}-\u{2FA1F}]/gu, ' $& ');

/** The id of a token that tokenizer_config.json names: as a text, or as an object with its settings. */
function namedToken(inner: HuggingFaceTokenizer, config: object, name: string): number | undefined {
  const token: unknown = Reflect.get(config, name);
  const text = typeof token === 'object' && token !== null ? Reflect.get(token, 'content') : token;
  return typeof text === 'string' ? inner.token_to_id(text) : undefined;
}

const specialsOf = (inner: HuggingFaceTokenizer): ReadonlySet<number> =>
  new Set([...inner.get_added_tokens_decoder()].flatMap(([id, token]) => (token.special ? [id] : [])));

/** Finds the special tokens by encoding a probe with and without them. */
function frameOf(inner: HuggingFaceTokenizer, text: string, pair?: string): Frame {
  const probe = (part: string): number[] => inner.encode(part, { add_special_tokens: false }).ids;
  const options = { return_token_type_ids: true } as const;
  const full = inner.encode(text, pair === undefined ? options : { ...options, text_pair: pair });
  const first = probe(text);
  const start = indexOfRun(full.ids, first, 0);
  const second = pair === undefined ? [] : probe(pair);
  const end = start + first.length;
  const next = pair === undefined ? end : indexOfRun(full.ids, second, end);
  if (start < 0 || next < 0) throw new Error('its post-processor changes the tokens of the text');
  // Tokenizers of language models give no types.
  const type = (index: number): number => full.token_type_ids?.[index] ?? 0;
  const last = next + second.length;
  return {
    before: full.ids.slice(0, start),
    between: full.ids.slice(end, next),
    after: full.ids.slice(last),
    types: [type(0), type(start), type(end), type(next), type(last)],
  };
}

function indexOfRun(ids: readonly number[], run: readonly number[], from: number): number {
  for (let at = from; at + run.length <= ids.length; at++) {
    if (run.every((id, i) => ids[at + i] === id)) return at;
  }
  return -1;
}

function framed({ before, between, after, types }: Frame, parts: readonly number[][], maxLength: number): Encoding {
  const room = Math.max(0, maxLength - before.length - between.length - after.length);
  const lengths = shorten(
    parts.map((part) => part.length),
    room,
  );
  const [text, pair = []] = parts.map((part, i) => part.slice(0, lengths[i]));
  const pieces = [before, text!, between, pair, after];
  const total = parts.reduce((sum, part) => sum + part.length, 0);
  return {
    inputIds: pieces.flat(),
    tokenTypeIds: pieces.flatMap((piece, i) => piece.map(() => types[i]!)),
    dropped: total - lengths.reduce((a, b) => a + b, 0),
  };
}

/**
 * Lengths of one or two parts that fit together: the longer one gives up tokens until both are equal, then both do
 * (`longest_first` of the tokenizers library; of an odd room the longer part, or else the second, gets the last place).
 */
export function shorten(lengths: readonly number[], room: number): number[] {
  const [first, second = 0] = lengths as [number, number?];
  if (first + second <= room) return [...lengths];
  if (lengths.length === 1) return [room];
  const half = Math.floor(room / 2);
  const shorter = Math.min(first, second, half);
  return first > second ? [room - shorter, shorter] : [shorter, room - shorter];
}
