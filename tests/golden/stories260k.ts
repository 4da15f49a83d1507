/** stories260K, a real Llama of 260,032 parameters (karpathy/tinyllamas), from llama2.c's files to what Attune reads. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type NamedTensor, safetensorsChunks } from '../../src/files/index.ts';

interface Header {
  readonly dim: number;
  readonly hidden: number;
  readonly layers: number;
  readonly heads: number;
  readonly keyHeads: number;
  readonly vocabulary: number;
  readonly context: number;
}

/** A Hugging Face folder (config.json, model.safetensors) in a new temporary place. */
export function convertStories(folder: string): string {
  const file = readFileSync(join(folder, 'stories260K.bin'));
  const numbers = new Int32Array(file.buffer.slice(file.byteOffset, file.byteOffset + 28));
  const [dim, hidden, layers, heads, keyHeads, vocabulary, context] = [...numbers] as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const header = { dim, hidden, layers, heads, keyHeads, vocabulary, context };
  const floats = new Float32Array(file.buffer.slice(file.byteOffset + 28, file.byteOffset + file.length));
  const converted = mkdtempSync(join(tmpdir(), 'attune-stories-'));
  writeFileSync(join(converted, 'config.json'), JSON.stringify(configOf(header)));
  writeFileSync(join(converted, 'model.safetensors'), Buffer.concat([...safetensorsChunks(tensorsOf(floats, header))]));
  return converted;
}

const configOf = ({ dim, hidden, layers, heads, keyHeads, vocabulary, context }: Header) => ({
  model_type: 'llama',
  hidden_size: dim,
  intermediate_size: hidden,
  num_hidden_layers: layers,
  num_attention_heads: heads,
  num_key_value_heads: keyHeads,
  vocab_size: vocabulary,
  max_position_embeddings: context,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
});

/** Arrays one after the other, without names; those of layers hold all layers. */
function tensorsOf(floats: Float32Array, { dim, hidden, layers, heads, keyHeads, vocabulary }: Header): NamedTensor[] {
  const tensors: NamedTensor[] = [];
  const width = dim / heads;
  let at = 0;
  const take = (name: string, shape: readonly number[]): void => {
    const count = shape.reduce((a, b) => a * b, 1);
    tensors.push({ name, dtype: 'float32', shape, data: floats.slice(at, at + count) });
    at += count;
  };
  const takeLayers = (name: string, shape: readonly number[]): void => {
    for (let layer = 0; layer < layers; layer++) take(`model.layers.${layer}.${name}.weight`, shape);
  };
  take('model.embed_tokens.weight', [vocabulary, dim]);
  takeLayers('input_layernorm', [dim]);
  takeLayers('self_attn.q_proj', [dim, dim]);
  takeLayers('self_attn.k_proj', [width * keyHeads, dim]);
  takeLayers('self_attn.v_proj', [width * keyHeads, dim]);
  takeLayers('self_attn.o_proj', [dim, dim]);
  takeLayers('post_attention_layernorm', [dim]);
  takeLayers('mlp.gate_proj', [hidden, dim]);
  takeLayers('mlp.down_proj', [dim, hidden]);
  takeLayers('mlp.up_proj', [hidden, dim]);
  take('model.norm.weight', [dim]);
  return tensors.map((tensor) =>
    /[qk]_proj/.test(tensor.name) ? { ...tensor, data: halvesFirst(tensor.data as Float32Array, dim, width) } : tensor,
  );
}

/** llama2.c turns neighbouring rows of a head together; Hugging Face's Llama those that are half a head apart. */
function halvesFirst(data: Float32Array, columns: number, width: number): Float32Array {
  const result = new Float32Array(data.length);
  for (let row = 0; row < data.length / columns; row++) {
    const [head, within] = [Math.floor(row / width), row % width];
    const to = head * width + (within % 2) * (width / 2) + Math.floor(within / 2);
    result.set(data.subarray(row * columns, (row + 1) * columns), to * columns);
  }
  return result;
}

export interface StoriesTokenizer {
  encode(text: string): number[];
  decode(ids: readonly number[]): string;
}

/** tok512.bin: 512 pieces with scores; neighbours are merged, the best score first. */
export function storiesTokenizer(folder: string): StoriesTokenizer {
  const file = readFileSync(join(folder, 'tok512.bin'));
  const pieces: { text: string; score: number }[] = [];
  for (let at = 4; at < file.length; ) {
    const length = file.readInt32LE(at + 4);
    pieces.push({ score: file.readFloatLE(at), text: file.subarray(at + 8, at + 8 + length).toString('utf8') });
    at += 8 + length;
  }
  const idOf = new Map(pieces.map(({ text }, id) => [text, id]));
  const bytesOf = (character: string): number[] => [...Buffer.from(character)].map((byte) => byte + 3);
  return {
    encode(text) {
      const characters = [...` ${text}`].flatMap((character) => idOf.get(character) ?? bytesOf(character));
      return [1, ...merged(characters, (a, b) => idOf.get(pieces[a]!.text + pieces[b]!.text), pieces)];
    },
    decode: (ids) => ids.map((id) => pieces[id]!.text).join(''),
  };
}

function merged(
  ids: number[],
  join: (a: number, b: number) => number | undefined,
  pieces: readonly { score: number }[],
): number[] {
  for (;;) {
    let best: { at: number; id: number } | undefined;
    for (let at = 0; at + 1 < ids.length; at++) {
      const id = join(ids[at]!, ids[at + 1]!);
      if (id !== undefined && (!best || pieces[id]!.score > pieces[best.id]!.score)) best = { at, id };
    }
    if (!best) return ids;
    ids.splice(best.at, 2, best.id);
  }
}
