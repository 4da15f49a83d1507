/** Llama decoder (https://arxiv.org/abs/2302.13971). Scope names are the checkpoint's tensor names. */
// B batch · T tokens · D hidden · H heads · K heads of keys and values · C head width · F feed-forward width
import { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import { type Angles, mul, rotate } from '../engine/ops/index.ts';
import type { Architecture } from './architecture.ts';
import {
  activationNames,
  activations,
  attention,
  type Batch,
  causalBias,
  joinResidual,
  linear,
  rmsNorm,
  rotaryAngles,
  rotaryFields,
  rotationOf,
  type Scope,
  splitHeads,
  tokens,
} from './nn/index.ts';

const count = z.int().positive();
const fields = z.looseObject({
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  num_key_value_heads: count.nullish(),
  head_dim: count.nullish(),
  max_position_embeddings: count.default(2048),
  rms_norm_eps: z.number().positive().default(1e-6),
  hidden_act: z.enum(activationNames).default('silu'),
  attention_bias: z.boolean().default(false),
  mlp_bias: z.boolean().default(false),
  attention_dropout: z.number().min(0).lt(1).default(0),
  tie_word_embeddings: z.boolean().default(false),
  initializer_range: z.number().positive().default(0.02),
  ...rotaryFields,
});
const configSchema = fields
  .transform(({ num_key_value_heads, head_dim, ...config }) => ({
    ...config,
    num_key_value_heads: num_key_value_heads ?? config.num_attention_heads,
    head_dim: head_dim ?? config.hidden_size / config.num_attention_heads,
  }))
  .refine(({ head_dim }) => head_dim % 2 === 0, {
    path: ['head_dim'],
    error: 'heads must have an even number of values, which turn in pairs',
  })
  .refine((config) => config.num_attention_heads % config.num_key_value_heads === 0, {
    path: ['num_key_value_heads'],
    error: 'the heads cannot be divided evenly among the heads of keys and values',
  });
type LlamaConfig = z.output<typeof configSchema>;

export const llama: Architecture<LlamaConfig> = {
  modelType: 'llama',
  prefix: 'model',
  queryAndValue: ['q_proj', 'v_proj'],
  keyAndValue: ['k_proj', 'v_proj'],
  sublayerEnds: ['down_proj'],
  norms: ['input_layernorm', 'post_attention_layernorm', 'norm'],
  configSchema,
  hidden,
  languageModel: {
    architectureName: 'LlamaForCausalLM',
    tiedTo: (config) => (config.tie_word_embeddings ? 'model.embed_tokens' : undefined),
  },
};

interface Reading {
  /** [B, 1, T, T] */
  readonly bias: Tensor;
  readonly angles: Angles;
  readonly config: LlamaConfig;
}

/** [B, T, D] */
function hidden(model: Scope, batch: Batch, config: LlamaConfig): Tensor {
  const eps = config.rms_norm_eps;
  const angles = rotaryAngles(batch.positionIds, rotationOf(config, config.head_dim));
  const reading = { bias: causalBias(batch), angles, config };
  const table = { rows: config.vocab_size, width: config.hidden_size };
  let x = tokens(model.at('embed_tokens'), batch.inputIds, table); // [B, T, D]
  for (const layer of model.blocks('layers', config.num_hidden_layers)) {
    const [self, mlp] = [layer.at('self_attn'), layer.at('mlp')];
    const attended = selfAttention(self, rmsNorm(layer.at('input_layernorm'), x, { eps }), reading);
    x = joinResidual(self, attended, { sublayer: 'attention', residual: x });
    const expanded = feedForward(mlp, rmsNorm(layer.at('post_attention_layernorm'), x, { eps }), config);
    x = joinResidual(mlp, expanded, { sublayer: 'feedForward', residual: x });
  }
  return rmsNorm(model.at('norm'), x, { eps });
}

function selfAttention(scope: Scope, x: Tensor, { bias, angles, config }: Reading): Tensor {
  const { num_attention_heads: heads, num_key_value_heads: keyHeads, head_dim: width } = config;
  const project = (name: string, count: number): Tensor =>
    splitHeads(linear(scope.at(name), x, { out: count * width, bias: config.attention_bias }), count);
  const q = rotate(project('q_proj', heads), angles); // [B, H, T, C]
  const k = rotate(project('k_proj', keyHeads), angles); // [B, K, T, C]
  const v = project('v_proj', keyHeads); // [B, K, T, C]
  const y = attention(scope, { q, k, v, bias, dropoutRate: config.attention_dropout }); // [B, T, H·C]
  return linear(scope.at('o_proj'), y, { out: config.hidden_size, bias: config.attention_bias });
}

/** SwiGLU (https://arxiv.org/abs/2002.05202). */
function feedForward(scope: Scope, x: Tensor, config: LlamaConfig): Tensor {
  const wide = { out: config.intermediate_size, bias: config.mlp_bias };
  const gate = activations[config.hidden_act](linear(scope.at('gate_proj'), x, wide)); // [B, T, F]
  const up = linear(scope.at('up_proj'), x, wide); // [B, T, F]
  return linear(scope.at('down_proj'), mul(gate, up), { out: config.hidden_size, bias: config.mlp_bias });
}
