import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Entry, floatBytes, ggufFile, type WrittenTensor } from '../../../../tests/golden/ggufFile.ts';
import { AttuneError } from '../../../errors/index.ts';
import { memorySource, type OwnBlocks, openSafetensors } from '../../index.ts';
import { openGguf } from '../gguf.ts';
import { ggufCheckpoint, ggufConfig } from './describe.ts';

const golden = (name: string) => new Uint8Array(readFileSync(join('tests/golden/gguf/models', name)));
const open = (bytes: Uint8Array) => openGguf(memorySource('model.gguf', bytes));
interface Case {
  readonly model_type: string;
  readonly class: string;
  readonly settings: Record<string, unknown>;
  readonly tie_word_embeddings: boolean;
  readonly layer_types: string[] | null;
}
const { made_by, cases } = JSON.parse(new TextDecoder().decode(golden('models.json'))) as {
  made_by: { tolerance: { absolute: number } };
  cases: Record<string, Case>;
};

test.each(Object.keys(cases))('%s: names, shapes and values are those of Transformers', async (name) => {
  const checkpoint = await ggufCheckpoint(await open(golden(`${name}.gguf`)));
  const wanted = await openSafetensors(memorySource(name, golden(`${name}.safetensors`)));
  expect([...checkpoint.names].sort()).toEqual([...wanted.tensors.keys()].sort());
  for (const tensor of wanted.tensors.values()) {
    expect(checkpoint.shapeOf(tensor.name), tensor.name).toEqual(tensor.shape);
    const [values, right] = [await checkpoint.readFloats(tensor.name), await wanted.readFloats(tensor.name)];
    // Only norms that had 1 added and taken away again are off, by a rounding.
    const off = values.reduce((most, value, i) => Math.max(most, Math.abs(value - right[i]!)), 0);
    const isShifted = name.startsWith('gemma') && tensor.name.endsWith('norm.weight');
    expect(off, tensor.name).toBeLessThanOrEqual(isShifted ? made_by.tolerance.absolute : 0);
  }
});

test.each(Object.entries(cases))('%s: config.json says what Transformers was told', async (name, wanted) => {
  const config = await ggufConfig(await open(golden(`${name}.gguf`)));
  const { pad_token_id: _, ...settings } = wanted.settings; // the files name no token for padding
  expect(config).toMatchObject(settings);
  expect(config).toMatchObject({ model_type: wanted.model_type, architectures: [wanted.class] });
  expect(config.tie_word_embeddings).toBe(wanted.tie_word_embeddings);
  if (name.startsWith('gemma')) expect(config.layer_types).toEqual(wanted.layer_types);
});

const word = (value: string): Entry => ['string', value];
const count = (value: number): Entry => ['u32', value];
const metadata: Record<string, Entry> = {
  'general.architecture': word('llama'),
  'llama.context_length': count(16),
  'llama.embedding_length': count(4),
  'llama.block_count': count(1),
  'llama.feed_forward_length': count(4),
  'llama.attention.head_count': count(2),
  'llama.attention.layer_norm_rms_epsilon': ['f32', 1e-5],
};
const tensor = (name: string, ...shape: number[]): WrittenTensor => ({
  name,
  shape,
  bytes: floatBytes(...Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) => i)),
});
const tensors = [tensor('token_embd.weight', 3, 4), tensor('blk.0.attn_q.weight', 4, 4)];
const described = async (changes: Record<string, Entry>, more: WrittenTensor[] = []) => {
  const file = await open(ggufFile({ metadata: { ...metadata, ...changes }, tensors: [...tensors, ...more] }));
  return { config: await ggufConfig(file), checkpoint: await ggufCheckpoint(file) };
};

test('what a file leaves out has the value that llama.cpp takes', async () => {
  const { config } = await described({});
  expect(config).toMatchObject({ num_key_value_heads: 2, head_dim: 2, rope_theta: 10_000, tie_word_embeddings: true });
  expect(config).not.toHaveProperty('rope_scaling');
});

test.each<[string, Record<string, Entry>, object]>([
  ['linear', { 'llama.rope.scaling.type': word('linear'), 'llama.rope.scaling.factor': ['f32', 4] }, { factor: 4 }],
  [
    'yarn',
    {
      'llama.rope.scaling.type': word('yarn'),
      'llama.rope.scaling.factor': ['f32', 4],
      'llama.rope.scaling.original_context_length': count(8),
    },
    { factor: 4, original_max_position_embeddings: 8 },
  ],
])('scaled positions: %s', async (rope_type, changes, fields) => {
  const { config } = await described(changes);
  expect(config.rope_scaling).toEqual({ rope_type, ...fields });
});

test.each<[string, Record<string, Entry>, WrittenTensor[], RegExp, string]>([
  ['another architecture', { 'general.architecture': word('rwkv7') }, [], /"rwkv7" is not an arch/, 'GGUF_UNSUPPORTED'],
  ['experts', {}, [tensor('blk.0.ffn_gate_inp.weight', 2, 4)], /llama has no place for it/, 'GGUF_UNSUPPORTED'],
  ['one part of many', { 'split.count': ['u16', 3] }, [], /one of 3 parts/, 'GGUF_UNSUPPORTED'],
  ['other angles', {}, [tensor('rope_freqs.weight', 1)], /rule of Llama 3.1/, 'GGUF_UNSUPPORTED'],
  [
    'unknown scaling',
    { 'llama.rope.scaling.type': word('dynamic'), 'llama.rope.scaling.factor': count(2) },
    [],
    /scaled by 'dynamic'/,
    'GGUF_UNSUPPORTED',
  ],
  ['no heads', { 'llama.attention.head_count': count(0) }, [], /head_count' is 0/, 'GGUF_CORRUPT'],
  [
    'heads that do not go into the rows',
    { 'llama.attention.head_count': count(3) },
    [],
    /attn_q.weight' has the shape \[4,4\]/,
    'GGUF_CORRUPT',
  ],
  [
    'a word for a count',
    { 'llama.block_count': word('many') },
    [],
    /block_count' is "many", not a count/,
    'GGUF_CORRUPT',
  ],
  [
    'blocks without end',
    { 'llama.block_count': ['u64', 2 ** 50] },
    [],
    /claims 1125899906842624 blocks/,
    'GGUF_CORRUPT',
  ],
])('%s is refused', async (_, changes, more, problem, code) => {
  const failure = await described(changes, more).then(
    () => undefined,
    (error: unknown) => error as AttuneError,
  );
  expect(failure).toBeInstanceOf(AttuneError);
  expect(failure!.problem).toMatch(problem);
  expect(failure!.code).toBe(code);
});

test('a damaged model is described or refused, and never anything else', async () => {
  const whole = golden('gemma2.gguf');
  const end = 1600; // of what describes the tensors
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(fc.nat(end), fc.nat(255)), { minLength: 1, maxLength: 8 }), async (places) => {
      const bytes = whole.slice();
      for (const [at, value] of places) bytes[at] = value;
      try {
        const checkpoint = await ggufCheckpoint(await open(bytes));
        for (const name of checkpoint.names) await checkpoint.readFloats(name);
      } catch (failure) {
        expect(failure).toBeInstanceOf(AttuneError);
      }
    }),
    { numRuns: 1000 },
  );
});

/** What its 4 bits stand for, as rows of the stored matrix. */
const unpacked = ({ values: nibbles, scales, offsets }: OwnBlocks): number[] =>
  Array.from({ length: nibbles.length * 2 }, (_, i) => {
    const q = i % 2 ? nibbles[i >> 1]! >> 4 : nibbles[i >> 1]! & 15;
    return Math.fround(scales[i >> 5]! * (q - 8) + (offsets?.[i >> 5] ?? 0));
  });

test('matrices of 4 bits lie as their values do: rows put back, or as the transpose', async () => {
  // Scales of 1, so that every number is exact; all other bytes differ.
  const q4 = Uint8Array.from({ length: 8 * 18 }, (_, i) => (i % 18 === 0 ? 0 : i % 18 === 1 ? 0x3c : (i * 37) % 256));
  const matrix = (name: string): WrittenTensor => ({ name, type: 2, shape: [8, 32], bytes: q4 });
  const llama = (await described({ 'llama.embedding_length': count(32) }, [matrix('blk.0.attn_k.weight')])).checkpoint;
  const keys = 'model.layers.0.self_attn.k_proj.weight';
  expect(llama.ownFormOf!(keys)).toEqual({ bits: 4, hasOffsets: false, transposed: false });
  const rows = unpacked(await llama.readOwnBlocks!(keys));
  expect(rows).toEqual([...(await llama.readFloats(keys))]);
  expect(rows).not.toEqual(rows.toSorted());

  const gpt2Metadata: Record<string, Entry> = {
    'general.architecture': word('gpt2'),
    'gpt2.context_length': count(16),
    'gpt2.embedding_length': count(32),
    'gpt2.block_count': count(1),
    'gpt2.attention.head_count': count(2),
    'gpt2.attention.layer_norm_epsilon': ['f32', 1e-5],
  };
  const file = ggufFile({
    metadata: gpt2Metadata,
    tensors: [tensor('token_embd.weight', 3, 32), matrix('blk.0.ffn_up.weight')],
  });
  const gpt2 = await ggufCheckpoint(await open(file));
  const wide = 'transformer.h.0.mlp.c_fc.weight';
  expect(gpt2.shapeOf(wide)).toEqual([32, 8]);
  expect(gpt2.ownFormOf!(wide)).toEqual({ bits: 4, hasOffsets: false, transposed: true });
  const values = await gpt2.readFloats(wide);
  const stored = unpacked(await gpt2.readOwnBlocks!(wide));
  expect(stored).toEqual(Array.from({ length: 256 }, (_, i) => values[(i % 32) * 8 + Math.floor(i / 32)]));
});
