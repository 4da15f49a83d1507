/** Gemma 2 decoder (https://arxiv.org/abs/2408.00118): norms on both sides of a sublayer, capped scores, every second layer looks back over a window. */
// B batch · T tokens · D hidden · H heads · K heads of keys and values · C head width
import { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import { type Angles, mul } from '../engine/ops/index.ts';
import type { Architecture } from './architecture.ts';
import {
  activationNames,
  attention,
  type Batch,
  causal,
  checkHeads,
  decoderFields,
  gatedFeedForward,
  joinResidual,
  layerWindows,
  linear,
  offsetRmsNorm,
  projectHeads,
  rotaryAngles,
  rotationOf,
  type Scope,
  separateProjections,
  tiedEmbedding,
  tokens,
  turn,
  type Visibility,
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
    max_position_embeddings: decoderFields.max_position_embeddings.default(8192),
    hidden_activation: z.enum(activationNames).default('gelu_pytorch_tanh'),
    attention_bias: z.boolean().default(false),
    query_pre_attn_scalar: positive.default(256),
    sliding_window: windowFields.sliding_window.default(4096),
    attn_logit_softcapping: positive.nullish().default(50),
    final_logit_softcapping: positive.nullish().default(30),
    tie_word_embeddings: z.boolean().default(true),
    use_bidirectional_attention: z.literal(false).nullish(),
  })
  .transform(withHeads)
  .superRefine(checkHeads);
type Gemma2Config = z.output<typeof configSchema>;

export const gemma2: Architecture<Gemma2Config> = {
  modelType: 'gemma2',
  prefix: 'model',
  ...separateProjections,
  norms: [
    'input_layernorm',
    'post_attention_layernorm',
    'pre_feedforward_layernorm',
    'post_feedforward_layernorm',
    'norm',
  ],
  configSchema,
  hidden,
  languageModel: {
    architectureName: 'Gemma2ForCausalLM',
    tiedTo: tiedEmbedding('model.embed_tokens'),
    softcap: (config) => config.final_logit_softcapping ?? undefined,
  },
};

/** [B, T, D] */
function hidden(model: Scope, batch: Batch, config: Gemma2Config): Tensor {
  const { rms_norm_eps: eps, vocab_size: rows, hidden_size: width, intermediate_size, hidden_activation } = config;
  const angles = rotaryAngles(batch.positionIds, rotationOf(config, config.head_dim));
  const visibleIn = causal(batch);
  const windows = layerWindows(config, (layer) => layer % 2 === 0);
  let x = mul(tokens(model.at('embed_tokens'), batch.inputIds, { rows, width }), Math.sqrt(width)); // [B, T, D]
  for (const [layer, window] of model.blocksOf('layers', windows)) {
    const norm = (name: string, y: Tensor): Tensor => offsetRmsNorm(layer.at(name), y, { eps });
    const [self, mlp] = [layer.at('self_attn'), layer.at('mlp')];
    const reading = { visible: visibleIn(window), angles, config };
    const attended = norm('post_attention_layernorm', selfAttention(self, norm('input_layernorm', x), reading));
    x = joinResidual(self, attended, { sublayer: 'attention', residual: x });
    const gated = { width: intermediate_size, activation: hidden_activation };
    const expanded = gatedFeedForward(mlp, norm('pre_feedforward_layernorm', x), gated);
    x = joinResidual(mlp, norm('post_feedforward_layernorm', expanded), { sublayer: 'feedForward', residual: x });
  }
  return offsetRmsNorm(model.at('norm'), x, { eps });
}

interface Attending {
  readonly visible: Visibility;
  readonly angles: Angles;
  readonly config: Gemma2Config;
}

function selfAttention(scope: Scope, x: Tensor, { visible, angles, config }: Attending): Tensor {
  const { attention_bias: bias, attention_dropout: dropoutRate } = config;
  const { q, k, v } = projectHeads(scope, x, config, { bias });
  const turned = { q: turn(q, angles), k: turn(k, angles), v };
  const scoring = { scale: config.query_pre_attn_scalar ** -0.5, softcap: config.attn_logit_softcapping ?? undefined };
  const y = attention(scope, { ...turned, ...visible, ...scoring, dropoutRate }); // [B, T, H·C]
  return linear(scope.at('o_proj'), y, { out: config.hidden_size, bias });
}
