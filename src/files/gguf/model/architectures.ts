/**
 * The architectures of llama.cpp that are read: one row each, with Hugging Face's names for its tensors, what the
 * conversion did to their values, and its config.json.
 */
import { corruptFile } from '../cursor.ts';
import type { Facts } from './facts.ts';
import { type Layout, minusOne, rotaryRows, transposed } from './layout.ts';
import { ropeFields } from './rope.ts';

export interface GgufArchitecture {
  /** Hugging Face's model_type, and the class that Transformers opens it with. */
  readonly modelType: string;
  readonly className: string;
  /** Names by llama.cpp's names, without `.weight` or `.bias`. */
  readonly names: Readonly<Record<string, string>>;
  /** The same for what comes in every block, and where the blocks stand. */
  readonly blocks: string;
  readonly blockNames: Readonly<Record<string, string>>;
  /** How the values of a tensor lie, by its llama.cpp name without the number of its block. */
  layout?(name: string, config: Readonly<Record<string, unknown>>): Layout | undefined;
  config(facts: Facts): Promise<Record<string, unknown>>;
}

const around = { token_embd: 'model.embed_tokens', output_norm: 'model.norm', output: 'lm_head' };
const attention = {
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
};
const attentionNorms = { attn_q_norm: 'self_attn.q_norm', attn_k_norm: 'self_attn.k_norm' };
const gated = { ffn_gate: 'mlp.gate_proj', ffn_up: 'mlp.up_proj', ffn_down: 'mlp.down_proj' };
const norms = { attn_norm: 'input_layernorm', ffn_norm: 'post_attention_layernorm' };
const fourNorms = {
  attn_norm: 'input_layernorm',
  post_attention_norm: 'post_attention_layernorm',
  ffn_norm: 'pre_feedforward_layernorm',
  post_ffw_norm: 'post_feedforward_layernorm',
};

/** Fields that the config.json of all but GPT-2 has. */
async function decoderFields(
  facts: Facts,
): Promise<Record<string, unknown> & { head_dim: number; num_hidden_layers: number }> {
  const heads = facts.count('attention.head_count');
  const width = facts.count('embedding_length');
  const headWidth = facts.countIfAny('attention.key_length') ?? width / heads;
  return {
    hidden_size: width,
    intermediate_size: facts.count('feed_forward_length'),
    num_hidden_layers: layersOf(facts),
    num_attention_heads: heads,
    num_key_value_heads: facts.countIfAny('attention.head_count_kv') ?? heads,
    head_dim: headWidth,
    max_position_embeddings: facts.count('context_length'),
    rms_norm_eps: facts.number('attention.layer_norm_rms_epsilon'),
    ...(await ropeFields(facts, facts.countIfAny('rope.dimension_count') ?? headWidth)),
  };
}

function layersOf(facts: Facts): number {
  const layers = facts.count('block_count');
  if (layers <= facts.file.tensors.size) return layers;
  throw corruptFile(facts.file.name, `it claims ${layers} blocks, but has ${facts.file.tensors.size} tensors`);
}

const llama: GgufArchitecture = {
  modelType: 'llama',
  className: 'LlamaForCausalLM',
  names: around,
  blocks: 'model.layers',
  blockNames: { ...norms, ...attention, ...gated },
  // llama.cpp turns neighbours of a head, Transformers its halves: the rows stand in the order that each needs.
  layout(name, config) {
    if (/^attn_q\./.test(name)) return rotaryRows(config.num_attention_heads as number);
    return /^attn_k\./.test(name) ? rotaryRows(config.num_key_value_heads as number) : undefined;
  },
  config: async (facts) => ({
    ...(await decoderFields(facts)),
    hidden_act: 'silu',
    attention_bias: facts.has('blk.0.attn_q.bias'),
    mlp_bias: facts.has('blk.0.ffn_up.bias'),
  }),
};

const qwen2: GgufArchitecture = {
  ...llama,
  modelType: 'qwen2',
  className: 'Qwen2ForCausalLM',
  layout: undefined,
  config: async (facts) => ({ ...(await decoderFields(facts)), hidden_act: 'silu', use_sliding_window: false }),
};

const qwen3: GgufArchitecture = {
  ...qwen2,
  modelType: 'qwen3',
  className: 'Qwen3ForCausalLM',
  blockNames: { ...qwen2.blockNames, ...attentionNorms },
  config: async (facts) => ({ ...(await qwen2.config(facts)), attention_bias: facts.has('blk.0.attn_q.bias') }),
};

const phi3: GgufArchitecture = {
  modelType: 'phi3',
  className: 'Phi3ForCausalLM',
  names: around,
  blocks: 'model.layers',
  blockNames: {
    ...norms,
    attn_qkv: 'self_attn.qkv_proj',
    attn_output: 'self_attn.o_proj',
    ffn_up: 'mlp.gate_up_proj',
    ffn_down: 'mlp.down_proj',
  },
  async config(facts) {
    const fields = await decoderFields(facts);
    const turned = facts.countIfAny('rope.dimension_count') ?? fields.head_dim;
    return {
      ...fields,
      hidden_act: 'silu',
      partial_rotary_factor: turned / fields.head_dim,
      original_max_position_embeddings:
        facts.countIfAny('rope.scaling.original_context_length') ?? fields.max_position_embeddings,
      sliding_window: facts.countIfAny('attention.sliding_window') || null,
    };
  },
};

/** What Gemma 2 and 3 share. Their norms multiply by 1 + weight, which llama.cpp stores as the sum. */
const gemma = {
  names: around,
  blocks: 'model.layers',
  layout: (name: string) => (/norm\.weight$/.test(name) ? minusOne : undefined),
} as const;

interface Gemma {
  /** Of so many layers the last one sees all of the text, the others a window. */
  readonly period: number;
  /** How many layers the largest model has: it alone divides the scores of attention by another number. */
  readonly largest: number;
}

async function gemmaFields(facts: Facts, { period, largest }: Gemma): Promise<Record<string, unknown>> {
  const { head_dim, num_hidden_layers: layers, ...fields } = await decoderFields(facts);
  const window = facts.countIfAny('attention.sliding_window');
  const isFull = (layer: number): boolean => !window || layer % period === period - 1;
  const average = (fields.hidden_size as number) / (fields.num_attention_heads as number);
  return {
    ...fields,
    head_dim,
    num_hidden_layers: layers,
    hidden_activation: 'gelu_pytorch_tanh',
    attention_bias: false,
    query_pre_attn_scalar: layers === largest ? average : head_dim,
    sliding_window: window ?? null,
    layer_types: Array.from({ length: layers }, (_, i) => (isFull(i) ? 'full_attention' : 'sliding_attention')),
    attn_logit_softcapping: facts.numberIfAny('attn_logit_softcapping') ?? null,
    final_logit_softcapping: facts.numberIfAny('final_logit_softcapping') ?? null,
  };
}

const gemma2: GgufArchitecture = {
  ...gemma,
  modelType: 'gemma2',
  className: 'Gemma2ForCausalLM',
  blockNames: { ...fourNorms, ...attention, ...gated },
  config: (facts) => gemmaFields(facts, { period: 2, largest: 46 }),
};

const gemma3: GgufArchitecture = {
  ...gemma,
  modelType: 'gemma3_text',
  className: 'Gemma3ForCausalLM',
  blockNames: { ...gemma2.blockNames, ...attentionNorms },
  config: async (facts) => ({
    ...(await gemmaFields(facts, { period: 6, largest: 62 })),
    rope_theta: facts.numberIfAny('rope.freq_base') ?? 1_000_000,
    rope_local_base_freq: facts.numberIfAny('rope.freq_base_swa') ?? 10_000,
  }),
};

const gpt2: GgufArchitecture = {
  modelType: 'gpt2',
  className: 'GPT2LMHeadModel',
  names: {
    token_embd: 'transformer.wte',
    position_embd: 'transformer.wpe',
    output_norm: 'transformer.ln_f',
    output: 'lm_head',
  },
  blocks: 'transformer.h',
  blockNames: {
    attn_norm: 'ln_1',
    attn_qkv: 'attn.c_attn',
    attn_output: 'attn.c_proj',
    ffn_norm: 'ln_2',
    ffn_up: 'mlp.c_fc',
    ffn_down: 'mlp.c_proj',
  },
  layout: (name) => (/^(attn_qkv|attn_output|ffn_up|ffn_down)\.weight$/.test(name) ? transposed : undefined),
  config: async (facts) => ({
    n_positions: facts.count('context_length'),
    n_ctx: facts.count('context_length'),
    n_embd: facts.count('embedding_length'),
    n_layer: layersOf(facts),
    n_head: facts.count('attention.head_count'),
    n_inner: facts.countIfAny('feed_forward_length') ?? null,
    layer_norm_epsilon: facts.number('attention.layer_norm_epsilon'),
    activation_function: 'gelu_new',
  }),
};

/** By llama.cpp's name: `general.architecture`. Mistral's models are called llama there. */
export const architectures: Readonly<Record<string, GgufArchitecture>> = {
  llama,
  qwen2,
  qwen3,
  gemma2,
  gemma3,
  phi3,
  gpt2,
};
