/** Byte-level BPE (`gpt2` in .gguf files): text is split by a pattern, written as bytes, and merged pair by pair. */
import { unsupported } from '../model/facts.ts';
import { idsByPiece, type Vocabulary } from './vocabulary.ts';

interface Splitting {
  readonly patterns: readonly string[];
  /** Composed letters (NFC) before anything else, as the model's own tokenizer does. */
  readonly composed?: true;
  /** A word that is a token is taken as it is, without merging. */
  readonly wholeWords?: true;
  readonly addsBos?: true;
}

const gpt2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
const endings = "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])";
const words = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+';
const rest = ' ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const upper = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const lower = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
const cased = (ending: string): string =>
  `[^\\r\\n\\p{L}\\p{N}]?${upper}*${lower}+${ending}|[^\\r\\n\\p{L}\\p{N}]?${upper}+${lower}*${ending}`;
const restWithSlash = rest.replace('[\\r\\n]*', '[\\r\\n/]*');

/** By families of models that split alike. */
const gpt2Family: Splitting = { patterns: [gpt2] };
const singleDigits: Splitting = { patterns: ['\\p{N}', gpt2] };
const llama3: Splitting = { patterns: [`${endings}|${words}|\\p{N}{1,3}|${rest}`], wholeWords: true, addsBos: true };
const smaug: Splitting = { patterns: llama3.patterns };
const qwen2: Splitting = { patterns: [`${endings}|${words}|\\p{N}|${rest}`], composed: true };
const tekken: Splitting = { patterns: [`${cased('')}|\\p{N}|${restWithSlash}`], wholeWords: true };
const gpt4o: Splitting = { patterns: [`${cased(`${endings}?`)}|\\p{N}{1,3}|${restWithSlash}`] };

/** By llama.cpp's name of a splitting: `tokenizer.ggml.pre`. */
const splittings: Readonly<Record<string, Splitting>> = {
  ...named(gpt2Family, 'gpt-2 gpt2 phi-2 olmo mpt jais trillion granite-docling'),
  ...named(singleDigits, 'smollm starcoder refact command-r codeshell exaone minerva-7b'),
  ...named(llama3, 'llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2'),
  ...named(smaug, 'smaug-bpe dbrx'),
  ...named(qwen2, 'qwen2 deepseek-r1-qwen megrez'),
  ...named(tekken, 'tekken'),
  ...named(gpt4o, 'gpt-4o llama4'),
};

function named(splitting: Splitting, names: string): Record<string, Splitting> {
  return Object.fromEntries(names.split(' ').map((name) => [name, splitting]));
}

export function byteLevel({ where, pieces, merges, split }: Vocabulary) {
  const known = split !== undefined && Object.hasOwn(splittings, split) ? splittings[split] : undefined;
  if (!known) {
    throw unsupported(
      `${where} 'tokenizer.ggml.pre'`,
      split === undefined ? 'it is missing' : `'${split}' is not a way of splitting that is read`,
      `use a file whose tokenizer splits as one of these: ${Object.keys(splittings).join(', ')}`,
    );
  }
  const { patterns, composed, wholeWords, addsBos } = known;
  if (!merges) throw unsupported(`${where} 'tokenizer.ggml.merges'`, 'it is missing', 'convert the model again');
  const splits = patterns.map((Regex) => ({ type: 'Split', pattern: { Regex }, behavior: 'Isolated', invert: false }));
  const bytes = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  return {
    addsBos: addsBos ?? false,
    normalizer: composed ? { type: 'NFC' } : null,
    pre_tokenizer: { type: 'Sequence', pretokenizers: [...splits, bytes] },
    decoder: { type: 'ByteLevel', add_prefix_space: true, trim_offsets: true, use_regex: true },
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: null,
      continuing_subword_prefix: null,
      end_of_word_suffix: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: wholeWords ?? false,
      vocab: idsByPiece(pieces),
      merges: merges.map((merge) => merge.split(' ')),
    },
  };
}
