/** Fields of config.json that decoders share, and what follows from them. */
import { z } from 'zod';
import { activationNames } from './activation.ts';
import { checkFactors, type Refuse, rotaryFields } from './rotary.ts';

export const count = z.int().positive();
export const rate = z.number().min(0).lt(1);

/** Of decoders with rotary positions and gated feed-forward layers. */
export const decoderFields = {
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  max_position_embeddings: count,
  rms_norm_eps: z.number().positive().default(1e-6),
  hidden_act: z.enum(activationNames).default('silu'),
  attention_dropout: rate.default(0),
  tie_word_embeddings: z.boolean().default(false),
  initializer_range: z.number().positive().default(0.02),
  pad_token_id: z.int().nullish(),
  ...rotaryFields,
};

interface Heads {
  readonly hidden_size: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads?: number | null | undefined;
  readonly head_dim?: number | null | undefined;
}

/** What files leave out: as many heads of keys as of queries, and the width shared evenly. */
export const withHeads = <C extends Heads>(config: C) => ({
  ...config,
  num_key_value_heads: config.num_key_value_heads ?? config.num_attention_heads,
  head_dim: config.head_dim ?? config.hidden_size / config.num_attention_heads,
});

type Decoder = ReturnType<typeof withHeads> & LayerTypes;

/** A zod check of what `withHeads` gives. */
export function checkDecoder(config: Decoder, context: z.RefinementCtx): void {
  const refuse: Refuse = (path, message) => context.addIssue({ code: 'custom', path: path.split('.'), message });
  checkHeads(config, refuse);
  checkLayerTypes(config, refuse);
  checkFactors(config as object, config.head_dim, refuse);
}

function checkHeads(
  { num_attention_heads: heads, num_key_value_heads: keyHeads, head_dim: width }: Decoder,
  refuse: Refuse,
): void {
  if (!Number.isInteger(width)) refuse('num_attention_heads', 'hidden_size cannot be divided evenly among the heads');
  else if (width % 2 !== 0) refuse('head_dim', 'heads must have an even number of values, which turn in pairs');
  if (heads % keyHeads !== 0) refuse('num_key_value_heads', 'the heads cannot be divided evenly among those of keys');
}

/** Of a list that is too short the layers beyond it would see what none of them was told. */
function checkLayerTypes({ layer_types: types, num_hidden_layers: layers }: Decoder, refuse: Refuse): void {
  if (!types || types.length === layers) return;
  refuse('layer_types', `it has ${types.length} entries, but num_hidden_layers is ${layers}`);
}

const layerTypes = ['full_attention', 'sliding_attention'] as const;
export const windowFields = {
  sliding_window: count.nullish(),
  layer_types: z.array(z.enum(layerTypes)).nullish(),
};

/** Qwen's: without `use_sliding_window` the other fields of windows mean nothing. */
export const switchedWindowFields = {
  ...windowFields,
  use_sliding_window: z.boolean().default(false),
  max_window_layers: count.or(z.literal(0)).default(28),
};

interface SwitchedWindows extends Windows {
  readonly use_sliding_window: boolean;
  readonly max_window_layers: number;
}

interface LayerTypes {
  readonly num_hidden_layers: number;
  readonly layer_types?: readonly (typeof layerTypes)[number][] | null | undefined;
}

interface Windows extends LayerTypes {
  readonly sliding_window?: number | null | undefined;
}

/** How many tokens each layer looks back, itself included; undefined: all. `slides` decides where no list is given. */
export function layerWindows(config: Windows, slides: (layer: number) => boolean): (number | undefined)[] {
  const { num_hidden_layers: layers, sliding_window: window, layer_types: types } = config;
  const isSliding = (layer: number): boolean => (types ? types[layer] === 'sliding_attention' : slides(layer));
  return Array.from({ length: layers }, (_, layer) => (isSliding(layer) ? (window ?? undefined) : undefined));
}

/** All layers look back alike; null and undefined: over the whole text. */
export const sameWindows = (layers: number, window?: number | null): (number | undefined)[] =>
  new Array<number | undefined>(layers).fill(window ?? undefined);

export function switchedWindows(config: SwitchedWindows): (number | undefined)[] {
  const { use_sliding_window: slides, max_window_layers: first, sliding_window: window } = config;
  const sliding_window = slides ? (window ?? 4096) : undefined;
  return layerWindows({ ...config, sliding_window }, (layer) => layer >= first);
}

/** The layers that Llama and its kin keep apart, by what methods ask for. */
export const separateProjections = {
  queryAndValue: ['q_proj', 'v_proj'],
  keyAndValue: ['k_proj', 'v_proj'],
  sublayerEnds: ['down_proj'],
} as const;

/** Where the head's matrix stands, if config.json says that it is the embedding's. */
export const tiedEmbedding =
  (table: string) =>
  ({ tie_word_embeddings: isTied }: { readonly tie_word_embeddings: boolean }): string | undefined =>
    isTied ? table : undefined;
