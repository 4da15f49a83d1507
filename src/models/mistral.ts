/** Mistral decoder (https://arxiv.org/abs/2310.06825): Llama's layers, which look back over a window. */
// B batch · T tokens · D hidden · H heads · K heads of keys and values · C head width
import { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import type { Architecture } from './architecture.ts';
import {
  type Attending,
  attention,
  type Batch,
  checkDecoder,
  decoderFields,
  everyToken,
  gatedFeedForward,
  layerSights,
  linear,
  preNormBlock,
  projectHeads,
  type Reads,
  rmsNorm,
  rotaryAttention,
  rotationOf,
  type Scope,
  sameWindows,
  scoresLastToken,
  separateProjections,
  tiedEmbedding,
  tokens,
  turn,
  windowFields,
  withHeads,
} from './nn/index.ts';

const configSchema = z
  .looseObject({
    ...decoderFields,
    num_key_value_heads: decoderFields.num_key_value_heads.default(8),
    max_position_embeddings: decoderFields.max_position_embeddings.default(131_072),
    sliding_window: windowFields.sliding_window.default(4096),
  })
  .transform(withHeads)
  .superRefine(checkDecoder);
type MistralConfig = z.output<typeof configSchema>;

export const mistral: Architecture<MistralConfig> = {
  modelType: 'mistral',
  prefix: 'model',
  ...separateProjections,
  norms: ['input_layernorm', 'post_attention_layernorm', 'norm'],
  configSchema,
  hidden: (model, batch, config) => hidden(model, batch, { config, reading: everyToken }),
  classification: scoresLastToken('MistralForSequenceClassification', hidden),
  languageModel: {
    architectureName: 'MistralForCausalLM',
    tiedTo: tiedEmbedding('model.embed_tokens'),
  },
};

/** [B, T, D], or what is read of it */
function hidden(model: Scope, batch: Batch, { config, reading }: Reads<MistralConfig>): Tensor {
  const { rms_norm_eps: eps, vocab_size: rows, hidden_size: width, intermediate_size, hidden_act } = config;
  const attending = rotaryAttention(batch, rotationOf(config, config.head_dim));
  const windows = sameWindows(config.num_hidden_layers, config.sliding_window);
  let x = tokens(model.at('embed_tokens'), batch.inputIds, { rows, width }); // [B, T, D]
  for (const [layer, sight] of model.blocksOf('layers', layerSights(windows, reading))) {
    x = preNormBlock(layer, x, {
      eps,
      reads: sight.reads,
      attention: (scope, normed) => selfAttention(scope, normed, { ...attending(sight), config }),
      feedForward: (scope, normed) =>
        gatedFeedForward(scope, normed, { width: intermediate_size, activation: hidden_act }),
    });
  }
  return rmsNorm(model.at('norm'), x, { eps });
}

function selfAttention(scope: Scope, x: Tensor, { reads, visible, angles, config }: Attending<MistralConfig>): Tensor {
  const { q, k, v } = projectHeads(scope, x, config, { reads });
  const turned = { q: turn(q, angles.queries), k: turn(k, angles.keys), v };
  const y = attention(scope, { ...turned, ...visible, dropoutRate: config.attention_dropout }); // [B, S, H·C]
  return linear(scope.at('o_proj'), reads.texts(y), { out: config.hidden_size, bias: false });
}
