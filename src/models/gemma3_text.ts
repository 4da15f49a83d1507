/** Gemma 3 decoder, the text part (https://arxiv.org/abs/2503.19786): five layers with a window, then one without. */
// B batch · T tokens · D hidden · H heads · K heads of keys and values · C head width
import { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import type { Architecture } from './architecture.ts';
import {
  type Attending,
  activationNames,
  attention,
  type Batch,
  causal,
  checkDecoder,
  count,
  decoderFields,
  everyToken,
  gatedFeedForward,
  joinResidual,
  layerSights,
  layerWindows,
  linear,
  offsetRmsNorm,
  projectHeads,
  type Reads,
  rotaryKind,
  rotationOf,
  type Scope,
  scoresLastToken,
  separateProjections,
  tiedEmbedding,
  tokens,
  turn,
  turning,
  windowFields,
  withHeads,
} from './nn/index.ts';

const positive = z.number().positive();
const configSchema = z
  .looseObject({
    ...decoderFields,
    ...windowFields,
    num_key_value_heads: decoderFields.num_key_value_heads.default(4),
    head_dim: decoderFields.head_dim.default(256),
    max_position_embeddings: decoderFields.max_position_embeddings.default(131_072),
    hidden_activation: z.enum(activationNames).default('gelu_pytorch_tanh'),
    attention_bias: z.boolean().default(false),
    query_pre_attn_scalar: positive.default(256),
    sliding_window: windowFields.sliding_window.default(4096),
    sliding_window_pattern: count.default(6),
    attn_logit_softcapping: positive.nullish(),
    final_logit_softcapping: positive.nullish(),
    tie_word_embeddings: z.boolean().default(true),
    pad_token_id: decoderFields.pad_token_id.default(0),
    use_bidirectional_attention: z.literal(false).nullish(),
    rope_local_base_freq: positive.default(10_000),
    rope_parameters: z
      .object({ full_attention: rotaryKind.optional(), sliding_attention: rotaryKind.optional() })
      .nullish(),
  })
  .transform(withHeads)
  .superRefine(checkDecoder);
type Gemma3Config = z.output<typeof configSchema>;

export const gemma3Text: Architecture<Gemma3Config> = {
  modelType: 'gemma3_text',
  prefix: 'model',
  ...separateProjections,
  norms: [
    'input_layernorm',
    'post_attention_layernorm',
    'pre_feedforward_layernorm',
    'post_feedforward_layernorm',
    'norm',
    'q_norm',
    'k_norm',
  ],
  configSchema,
  hidden: (model, batch, config) => hidden(model, batch, { config, reading: everyToken }),
  classification: scoresLastToken('Gemma3TextForSequenceClassification', hidden),
  languageModel: {
    architectureName: 'Gemma3ForCausalLM',
    tiedTo: tiedEmbedding('model.embed_tokens'),
    softcap: (config) => config.final_logit_softcapping ?? undefined,
  },
};

/** [B, T, D], or what is read of it */
function hidden(model: Scope, batch: Batch, { config, reading }: Reads<Gemma3Config>): Tensor {
  const { rms_norm_eps: eps, vocab_size: rows, hidden_size: width, intermediate_size, hidden_activation } = config;
  const { near, far } = anglesOf(batch, config);
  const visibleTo = causal(batch);
  const windows = layerWindows(config, (layer) => (layer + 1) % config.sliding_window_pattern !== 0);
  let x = tokens(model.at('embed_tokens'), batch.inputIds, { rows, width, scale: Math.sqrt(width) }); // [B, T, D]
  for (const [layer, sight] of model.blocksOf('layers', layerSights(windows, reading))) {
    const norm = (name: string, y: Tensor): Tensor => offsetRmsNorm(layer.at(name), y, { eps });
    const [self, mlp] = [layer.at('self_attn'), layer.at('mlp')];
    const { reads } = sight;
    const angles = (sight.window === undefined ? far : near)(reads);
    const attending = { reads, visible: visibleTo(sight), angles, config };
    const attended = norm('post_attention_layernorm', selfAttention(self, norm('input_layernorm', x), attending));
    x = joinResidual(self, attended, { sublayer: 'attention', residual: reads.texts(reads.queries(x)) });
    const gated = { width: intermediate_size, activation: hidden_activation };
    const expanded = gatedFeedForward(mlp, norm('pre_feedforward_layernorm', x), gated);
    x = joinResidual(mlp, norm('post_feedforward_layernorm', expanded), { sublayer: 'feedForward', residual: x });
  }
  return offsetRmsNorm(model.at('norm'), x, { eps });
}

/** Layers with a window turn faster than those that see the whole text. */
function anglesOf({ positionIds }: Batch, config: Gemma3Config) {
  const { rope_parameters: kinds, rope_theta, rope_scaling, rope_local_base_freq, head_dim } = config;
  const length = { max_position_embeddings: config.max_position_embeddings };
  const whole = { ...length, rope_theta, rope_parameters: kinds?.full_attention ?? rope_scaling };
  const windowed = { ...length, rope_theta: rope_local_base_freq, rope_parameters: kinds?.sliding_attention };
  return {
    near: turning(positionIds, rotationOf(windowed, head_dim)),
    far: turning(positionIds, rotationOf(whole, head_dim, 1_000_000)),
  };
}

function selfAttention(scope: Scope, x: Tensor, { reads, visible, angles, config }: Attending<Gemma3Config>): Tensor {
  const { attention_bias: bias, attention_dropout: dropoutRate, rms_norm_eps: eps } = config;
  const { q, k, v } = projectHeads(scope, x, config, { reads, bias });
  const normed = (name: string, heads: Tensor): Tensor => offsetRmsNorm(scope.at(name), heads, { eps });
  const turned = { q: turn(normed('q_norm', q), angles.queries), k: turn(normed('k_norm', k), angles.keys), v };
  const scoring = { scale: config.query_pre_attn_scalar ** -0.5, softcap: config.attn_logit_softcapping ?? undefined };
  const y = attention(scope, { ...turned, ...visible, ...scoring, dropoutRate }); // [B, S, H·C]
  return linear(scope.at('o_proj'), reads.texts(y), { out: config.hidden_size, bias });
}
