/** Gemma 2 decoder (https://arxiv.org/abs/2408.00118): norms on both sides of a sublayer, capped scores, every second layer looks back over a window. */
// B batch · T tokens · D hidden · H heads · K heads of keys and values · C head width
import { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import type { Architecture } from './architecture.ts';
import {
  type Attending,
  activationNames,
  attention,
  type Batch,
  checkDecoder,
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
  rotaryAttention,
  rotationOf,
  type Scope,
  scoresLastToken,
  separateProjections,
  tiedEmbedding,
  tokens,
  turn,
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
    pad_token_id: decoderFields.pad_token_id.default(0),
    use_bidirectional_attention: z.literal(false).nullish(),
  })
  .transform(withHeads)
  .superRefine(checkDecoder);
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
  hidden: (model, batch, config) => hidden(model, batch, { config, reading: everyToken }),
  classification: scoresLastToken('Gemma2ForSequenceClassification', hidden),
  languageModel: {
    architectureName: 'Gemma2ForCausalLM',
    tiedTo: tiedEmbedding('model.embed_tokens'),
    softcap: (config) => config.final_logit_softcapping ?? undefined,
  },
};

/** [B, T, D], or what is read of it */
function hidden(model: Scope, batch: Batch, { config, reading }: Reads<Gemma2Config>): Tensor {
  const { rms_norm_eps: eps, vocab_size: rows, hidden_size: width, intermediate_size, hidden_activation } = config;
  const attending = rotaryAttention(batch, rotationOf(config, config.head_dim));
  const windows = layerWindows(config, (layer) => layer % 2 === 0);
  let x = tokens(model.at('embed_tokens'), batch.inputIds, { rows, width, scale: Math.sqrt(width) }); // [B, T, D]
  for (const [layer, sight] of model.blocksOf('layers', layerSights(windows, reading))) {
    const norm = (name: string, y: Tensor): Tensor => offsetRmsNorm(layer.at(name), y, { eps });
    const [self, mlp] = [layer.at('self_attn'), layer.at('mlp')];
    const { reads } = sight;
    const attended = norm(
      'post_attention_layernorm',
      selfAttention(self, norm('input_layernorm', x), { ...attending(sight), config }),
    );
    x = joinResidual(self, attended, { sublayer: 'attention', residual: reads.texts(reads.queries(x)) });
    const gated = { width: intermediate_size, activation: hidden_activation };
    const expanded = gatedFeedForward(mlp, norm('pre_feedforward_layernorm', x), gated);
    x = joinResidual(mlp, norm('post_feedforward_layernorm', expanded), { sublayer: 'feedForward', residual: x });
  }
  return offsetRmsNorm(model.at('norm'), x, { eps });
}

function selfAttention(scope: Scope, x: Tensor, { reads, visible, angles, config }: Attending<Gemma2Config>): Tensor {
  const { attention_bias: bias, attention_dropout: dropoutRate } = config;
  const { q, k, v } = projectHeads(scope, x, config, { reads, bias });
  const turned = { q: turn(q, angles.queries), k: turn(k, angles.keys), v };
  const scoring = { scale: config.query_pre_attn_scalar ** -0.5, softcap: config.attn_logit_softcapping ?? undefined };
  const y = attention(scope, { ...turned, ...visible, ...scoring, dropoutRate }); // [B, S, H·C]
  return linear(scope.at('o_proj'), reads.texts(y), { out: config.hidden_size, bias });
}
