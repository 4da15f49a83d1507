import { readFileSync } from 'node:fs';
import { Tokenizer } from '@huggingface/tokenizers';
import { expect, test } from 'vitest';
import type { Entry } from '../../../../tests/golden/ggufFile.ts';
import { ggufFile } from '../../../../tests/golden/ggufFile.ts';
import { texts, tokenizerFile, variants } from '../../../../tests/golden/ggufTokenizer.ts';
import { AttuneError } from '../../../errors/index.ts';
import { memorySource } from '../../index.ts';
import { openGguf } from '../gguf.ts';
import { tokenizerFiles } from './tokenizerFiles.ts';

const golden: Record<string, number[][]> = JSON.parse(readFileSync('tests/golden/gguf/tokenizers.json', 'utf8'));
const filesOf = async (bytes: Uint8Array) => tokenizerFiles(await openGguf(memorySource('model.gguf', bytes)));
async function open(bytes: Uint8Array): Promise<Tokenizer> {
  const files = await filesOf(bytes);
  return new Tokenizer(files['tokenizer.json'], files['tokenizer_config.json']);
}

test.each(Object.keys(variants))('%s: the ids of every text are those of llama.cpp', async (name) => {
  const tokenizer = await open(tokenizerFile(name));
  texts.forEach((text, i) => {
    // Qwen's own tokenizer composes letters first, llama.cpp does not: what it makes of composed letters is right.
    if (name === 'qwen2' && text !== text.normalize('NFC')) return;
    expect(tokenizer.encode(text, { add_special_tokens: false }).ids, JSON.stringify(text)).toEqual(golden[name]![i]);
  });
});

test('Qwen’s tokenizer composes letters before it reads them', async () => {
  const tokenizer = await open(tokenizerFile('qwen2'));
  const decomposed = texts.find((text) => text !== text.normalize('NFC'))!;
  expect(tokenizer.encode(decomposed).ids).toEqual(tokenizer.encode(decomposed.normalize('NFC')).ids);
});

test.each(Object.keys(variants))('%s: ids become the text again', async (name) => {
  const tokenizer = await open(tokenizerFile(name));
  for (const text of texts) {
    const ids = tokenizer.encode(text, { add_special_tokens: false }).ids;
    if (text !== text.normalize('NFC')) continue;
    // ▁ is how a space is written; a space in front comes after each token; bytes of a byte order mark are left out.
    if (variants[name]!.model === 'llama' && /[▁<\ufeff]|^ +$/.test(text)) continue;
    expect(tokenizer.decode(ids, { skip_special_tokens: false }), JSON.stringify(text)).toBe(text);
  }
});

const word = (value: string): Entry => ['string', value];
const metadata = (more: Record<string, Entry> = {}): Uint8Array =>
  ggufFile({
    metadata: {
      'general.architecture': word('llama'),
      'llama.context_length': ['u32', 2048],
      'tokenizer.ggml.model': word('gpt2'),
      'tokenizer.ggml.pre': word('gpt-2'),
      'tokenizer.ggml.tokens': ['array', 'string', ['a', 'b', 'ab', '<s>', '<|im_end|>', '<|end|>']],
      'tokenizer.ggml.token_type': ['array', 'i32', [1, 1, 1, 3, 3, 1]],
      'tokenizer.ggml.merges': ['array', 'string', ['a b']],
      'tokenizer.ggml.bos_token_id': ['u32', 3],
      'tokenizer.ggml.eos_token_id': ['u32', 3],
      ...more,
    },
  });

test('what stands around a text, special tokens and the template come from the metadata', async () => {
  const files = await filesOf(
    metadata({
      'tokenizer.ggml.add_bos_token': ['bool', true],
      'tokenizer.ggml.add_eos_token': ['bool', true],
      'tokenizer.ggml.padding_token_id': ['u32', 4],
      'tokenizer.chat_template': word('{{ messages }}'),
    }),
  );
  expect(files['tokenizer_config.json']).toMatchObject({
    ...{ bos_token: '<s>', eos_token: '<s>', pad_token: '<|im_end|>', unk_token: null, add_bos_token: true },
    ...{ model_max_length: 2048, chat_template: '{{ messages }}' },
  });
  // '<|end|>' is an ordinary piece here, no token that ends a turn.
  expect(files['generation_config.json']).toEqual({ bos_token_id: 3, eos_token_id: [3, 4], pad_token_id: 4 });
  const tokenizer = new Tokenizer(files['tokenizer.json'], files['tokenizer_config.json']);
  expect(tokenizer.encode('ab').ids).toEqual([3, 2, 3]);
  expect(tokenizer.encode('a', { text_pair: 'b' }).ids).toEqual([3, 0, 3, 3, 1, 3]);
});

test('without flags a text stands alone in byte-level models, and behind the first token in the others', async () => {
  expect((await open(metadata())).encode('ab').ids).toEqual([2]);
  expect((await open(metadata({ 'tokenizer.ggml.pre': word('llama-bpe') }))).encode('ab').ids).toEqual([3, 2]);
  expect((await open(tokenizerFile('spm'))).encode('a').ids[0]).toBe(1);
});

test.each<[string, Record<string, Entry>, RegExp, string]>([
  [
    'a tokenizer of another kind',
    { 'tokenizer.ggml.model': word('t5') },
    /'t5' is not a tokenizer/,
    'GGUF_UNSUPPORTED',
  ],
  [
    'an unknown splitting',
    { 'tokenizer.ggml.pre': word('poro') },
    /'poro' is not a way of splitting/,
    'GGUF_UNSUPPORTED',
  ],
  ['no scores', { 'tokenizer.ggml.model': word('llama') }, /missing/, 'GGUF_UNSUPPORTED'],
  ['tokens that are numbers', { 'tokenizer.ggml.tokens': ['array', 'u8', [1]] }, /not a list of words/, 'GGUF_CORRUPT'],
  ['too few kinds', { 'tokenizer.ggml.token_type': ['array', 'i32', [1]] }, /as long as the 6 tokens/, 'GGUF_CORRUPT'],
  ['an id outside', { 'tokenizer.ggml.eos_token_id': ['u32', 6] }, /one of 6 tokens: it is 6/, 'GGUF_CORRUPT'],
])('%s is refused', async (_, changes, problem, code) => {
  const failure = await filesOf(metadata(changes)).catch((error: unknown) => error as AttuneError);
  expect(failure).toBeInstanceOf(AttuneError);
  expect((failure as AttuneError).problem).toMatch(problem);
  expect((failure as AttuneError).code).toBe(code);
});
