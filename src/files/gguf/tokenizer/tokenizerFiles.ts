/** The tokenizer of a .gguf file as Hugging Face's files: tokenizer.json, tokenizer_config.json, generation_config.json. */
import type { Gguf } from '../gguf.ts';
import { unsupported } from '../model/facts.ts';
import { byteLevel } from './byteLevel.ts';
import { sentencePiece } from './sentencePiece.ts';
import { kinds, readVocabulary, type Vocabulary } from './vocabulary.ts';

/** By `tokenizer.ggml.model`. */
const families = { gpt2: byteLevel, llama: sentencePiece } as const;

type Files = Readonly<Record<'tokenizer.json' | 'tokenizer_config.json' | 'generation_config.json', object>>;

export function tokenizerFiles(file: Gguf): Files {
  const vocabulary = readVocabulary(file);
  const { addsBos, ...parts } = familyOf(vocabulary)(vocabulary);
  const adds = { bos: vocabulary.flag('add_bos_token') ?? addsBos, eos: vocabulary.flag('add_eos_token') ?? false };
  return {
    'tokenizer.json': {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: addedTokens(file, vocabulary),
      ...parts,
      post_processor: frame(vocabulary, adds),
    },
    'tokenizer_config.json': tokenizerConfig(file, vocabulary, adds),
    'generation_config.json': generationConfig(vocabulary),
  };
}

function familyOf({ where, model }: Vocabulary): (typeof families)[keyof typeof families] {
  if (model !== undefined && Object.hasOwn(families, model)) return families[model as keyof typeof families];
  throw unsupported(
    `${where} 'tokenizer.ggml.model'`,
    model === undefined ? 'it is missing: the file has no tokenizer' : `'${model}' is not a tokenizer that is read`,
    `use a file with one of these: ${Object.keys(families).join(', ')}; or the Hugging Face folder of the model`,
  );
}

/** Tokens that are found in the text before it is split. */
function addedTokens(file: Gguf, { pieces, kinds: kindOf, model }: Vocabulary): object[] {
  // llama.cpp knows this of Phi-3 by its name too: what follows a special token loses its leading space.
  const isPhi3 = model === 'llama' && file.metadata.get('general.architecture') === 'phi3';
  const keepsSpace = ['<unk>', '<s>', '<|endoftext|>'];
  return pieces.flatMap((content, id) => {
    const kind = kindOf[id]!;
    const isAdded =
      kind === kinds.control || kind === kinds.userDefined || (kind === kinds.unknown && model === 'llama');
    if (!isAdded || content === '') return [];
    const rstrip = isPhi3 && !keepsSpace.includes(content);
    const special = kind !== kinds.userDefined;
    return [{ id, content, single_word: false, lstrip: false, rstrip, normalized: false, special }];
  });
}

interface Adds {
  readonly bos: boolean;
  readonly eos: boolean;
}

/** What stands around a text, and around a pair of texts; perhaps nothing. */
function frame({ pieces, id }: Vocabulary, adds: Adds): object {
  const ends = (['bos', 'eos'] as const).map((role) => (adds[role] ? id(role) : undefined));
  const [bos, eos] = ends.map((end) => (end === undefined ? [] : [{ SpecialToken: { id: pieces[end]!, type_id: 0 } }]));
  const text = (name: 'A' | 'B'): object => ({ Sequence: { id: name, type_id: 0 } });
  const tokens = ends.flatMap((end) => (end === undefined ? [] : [[pieces[end]!, end] as const]));
  return {
    type: 'TemplateProcessing',
    single: [...bos!, text('A'), ...eos!],
    pair: [...bos!, text('A'), ...eos!, ...bos!, text('B'), ...eos!],
    special_tokens: Object.fromEntries(
      tokens.map(([piece, end]) => [piece, { id: piece, ids: [end], tokens: [piece] }]),
    ),
  };
}

function tokenizerConfig(file: Gguf, { pieces, id }: Vocabulary, adds: Adds): object {
  const template = file.metadata.get('tokenizer.chat_template');
  const context = file.metadata.get(`${file.metadata.get('general.architecture')}.context_length`);
  const named = (role: string): string | null => pieces[id(role) ?? -1] ?? null;
  return {
    tokenizer_class: 'PreTrainedTokenizerFast',
    bos_token: named('bos'),
    eos_token: named('eos'),
    unk_token: named('unknown'),
    pad_token: named('padding'),
    add_bos_token: adds.bos,
    add_eos_token: adds.eos,
    clean_up_tokenization_spaces: false,
    ...(typeof context === 'number' && { model_max_length: context }),
    ...(typeof template === 'string' && { chat_template: template }),
  };
}

/** Tokens that end an answer, whatever the metadata says of them: those of the chat templates that are in use. */
const endsOfTurn = ['<|eot_id|>', '<|im_end|>', '<|end|>', '<end_of_turn>', '<|endoftext|>'];

function generationConfig({ pieces, kinds: kindOf, id }: Vocabulary): object {
  const known = endsOfTurn.map((piece) => pieces.indexOf(piece)).filter((at) => kindOf[at] === kinds.control);
  const ends = [id('eos'), id('eot'), id('eom'), ...known].filter((end) => end !== undefined);
  const unique = [...new Set(ends)];
  return {
    bos_token_id: id('bos') ?? null,
    eos_token_id: unique.length === 1 ? unique[0] : unique,
    ...(id('padding') !== undefined && { pad_token_id: id('padding') }),
  };
}
