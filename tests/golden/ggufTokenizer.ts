/** Small .gguf files that hold a tokenizer and nothing else, and the texts that are put to it. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Entry, floatBytes, ggufFile, type WrittenTensor } from './ggufFile.ts';

interface Vocabulary {
  readonly tokens: string[];
  readonly token_type: number[];
  readonly scores?: number[];
  readonly merges?: string[];
}
const vocabularies: Record<'gpt2' | 'llama', Vocabulary> = JSON.parse(
  readFileSync(join(import.meta.dirname, 'gguf', 'vocabularies.json'), 'utf8'),
);

const word = (value: string): Entry => ['string', value];

/** By name: the model, and what the file says beside it. */
export const variants: Readonly<Record<string, { model: 'gpt2' | 'llama'; more: Readonly<Record<string, Entry>> }>> = {
  ...Object.fromEntries(
    ['gpt-2', 'smollm', 'llama-bpe', 'smaug-bpe', 'qwen2', 'tekken', 'gpt-4o'].map((pre) => [
      pre,
      { model: 'gpt2' as const, more: { 'tokenizer.ggml.pre': word(pre) } },
    ]),
  ),
  spm: { model: 'llama', more: {} },
  'spm without a space in front': { model: 'llama', more: { 'tokenizer.ggml.add_space_prefix': ['bool', false] } },
};

export const tokenizerFile = (variant: string): Uint8Array => ggufFile(metadataOf(variant));

interface Described {
  readonly metadata: Readonly<Record<string, Entry>>;
  readonly vocabulary: Vocabulary;
}

function metadataOf(variant: string, changes: Readonly<Record<string, Entry>> = {}): Described {
  const { model, more } = variants[variant]!;
  const vocabulary = vocabularies[model];
  const { tokens, token_type, scores, merges } = vocabulary;
  const count = (value: number): Entry => ['u32', value];
  return {
    vocabulary,
    metadata: {
      'general.architecture': word('llama'),
      'llama.context_length': count(64),
      'llama.embedding_length': count(16),
      'llama.block_count': count(1),
      'llama.feed_forward_length': count(32),
      'llama.attention.head_count': count(2),
      'llama.attention.layer_norm_rms_epsilon': ['f32', 1e-5],
      'llama.vocab_size': count(tokens.length),
      'tokenizer.ggml.model': word(model),
      'tokenizer.ggml.tokens': ['array', 'string', tokens],
      'tokenizer.ggml.token_type': ['array', 'i32', token_type],
      ...(scores && { 'tokenizer.ggml.scores': ['array', 'f32', scores] as Entry }),
      ...(merges && { 'tokenizer.ggml.merges': ['array', 'string', merges] as Entry }),
      'tokenizer.ggml.bos_token_id': count(model === 'llama' ? 1 : 3),
      'tokenizer.ggml.eos_token_id': count(model === 'llama' ? 2 : 4),
      ...(model === 'llama' && { 'tokenizer.ggml.unknown_token_id': count(0) }),
      ...more,
      ...changes,
    },
  };
}

export const texts: readonly string[] = [
  'The quick brown fox jumps over the lazy dog.',
  "I'm sure they'll say it's what we've done; don't you'd? I'LL SAY IT'S HERE, THEY'RE.",
  'In 1969, 3.14159 and 1,234,567,890 numbers: 42nd, x2, H2O.',
  '你好，世界！这是一个测试。模型在1969年训练了12345步。',
  '中文English混合text，标点。',
  'こんにちは、カタカナ。 한국어 텍스트. Привет, мир! Ελληνικά, العربية, हिन्दी',
  'emoji 🙂👍🏽👨‍👩‍👧‍👦🇨🇳 and ½ ² ™ © €',
  'def f(x):\n    if x > 0:\n\t\treturn {"a": [1, 2, 3]}  # comment\n\n\n    return None\n',
  'const shape = [B, T, D]; // [rows, width]\r\nexport { shape };\r\n',
  '<div class="a">&nbsp;</div> https://example.org/a?b=c&d=%20#e',
  ' ',
  '   ',
  '\n',
  '\n\n\n\n',
  '\t\t',
  '  two spaces  in  between   and   at the end  ',
  'line one\n line two\n  line three\n\n\nline four \n \n end',
  'no\u00a0break\u2003em\u3000ideographic',
  'naïve café — “quotes” … ellipsis',
  'CamelCaseIdentifier snake_case_name SCREAMING_CASE kebab-case',
  '!!!??? ... --- === +++ ### $$$ @@@ %%% ^^^ &&& *** ((( )))',
  '<|im_start|>user\nhello<|im_end|>\n<|im_start|>assistant\n',
  'text<|endoftext|>more text <|endoftext|> and more',
  '<s>begin</s>end <s> spaced </s> out',
  'before<think>thought</think>after',
  '<|user|> question <|tag|>tagged<|user|>',
  '<|im_start',
  'a',
  'ab',
  'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa',
  'x\u0000y\u0001z\u007f',
  '\ufeffbyte order mark',
  'e\u0301 decomposed and é composed',
  'a_b/c\\d|e~f`g',
  'Attune fine-tunes pretrained transformer language models from TypeScript.',
  'tensor.shape[-1] == 768 and mean(x, axis=0) != float("nan")',
  '1 12 123 1234 12345 123456 1234567',
  "O'Brien's o'clock 'tis 'twas rock'n'roll",
  '▁underline▁and▁more',
  '𝔘𝔫𝔦𝔠𝔬𝔡𝔢 𠀀𠀁 math ∑∫√',
];

const WIDTH = 32;

/** A Llama of two layers in Q4_1 with the byte-level vocabulary, split as SmolLM2 splits. */
export function tinyModel(more: Readonly<Record<string, Entry>> = {}): Uint8Array {
  const { metadata, vocabulary } = metadataOf('smollm', {
    'llama.block_count': ['u32', 2],
    'llama.embedding_length': ['u32', WIDTH],
    'llama.feed_forward_length': ['u32', 2 * WIDTH],
    'tokenizer.chat_template': word(
      '{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}</s>{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}',
    ),
    ...more,
  });
  let state = 1;
  const random = (): number => {
    state = (state * 48271) % 2147483647;
    return (state / 2147483647 - 0.5) * 0.4;
  };
  const tensor = (name: string, shape: number[], value: () => number = random): WrittenTensor => ({
    name: `${name}.weight`,
    shape,
    bytes: floatBytes(...Array.from({ length: shape.reduce((a, b) => a * b, 1) }, value)),
  });
  const one = (): number => 1;
  /** Q4_1: scales of 0.04, lowest values of −0.3. */
  const four = (name: string, rows: number, width: number): WrittenTensor => {
    const bytes = new Uint8Array((rows * width * 20) / 32);
    for (let i = 0; i < bytes.length; i++)
      bytes[i] = [0x1f, 0x29, 0xcd, 0xb4][i % 20] ?? Math.floor(random() * 640) & 255;
    return { name: `${name}.weight`, type: 3, shape: [rows, width], bytes };
  };
  const block = (index: number): WrittenTensor[] => [
    tensor(`blk.${index}.attn_norm`, [WIDTH], one),
    ...['attn_q', 'attn_k', 'attn_v', 'attn_output'].map((name) => four(`blk.${index}.${name}`, WIDTH, WIDTH)),
    tensor(`blk.${index}.ffn_norm`, [WIDTH], one),
    ...['ffn_gate', 'ffn_up'].map((name) => four(`blk.${index}.${name}`, 2 * WIDTH, WIDTH)),
    four(`blk.${index}.ffn_down`, WIDTH, 2 * WIDTH),
  ];
  const embedding = tensor('token_embd', [vocabulary.tokens.length, WIDTH]);
  return ggufFile({ metadata, tensors: [embedding, ...block(0), ...block(1), tensor('output_norm', [WIDTH], one)] });
}
