/** Qwen2 and Qwen2.5 decoders (https://arxiv.org/abs/2407.10671): queries, keys and values have biases. */
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
  scoresLastToken,
  separateProjections,
  switchedWindowFields,
  switchedWindows,
  tiedEmbedding,
  tokens,
  turn,
  withHeads,
} from './nn/index.ts';

const configSchema = z
  .looseObject({
    ...decoderFields,
    max_position_embeddings: decoderFields.max_position_embeddings.default(32_768),
    ...switchedWindowFields,
  })
  .transform(withHeads)
  .superRefine(checkDecoder);
type Qwen2Config = z.output<typeof configSchema>;

export const qwen2: Architecture<Qwen2Config> = {
  modelType: 'qwen2',
  prefix: 'model',
  ...separateProjections,
  norms: ['input_layernorm', 'post_attention_layernorm', 'norm'],
  configSchema,
  hidden: (model, batch, config) => hidden(model, batch, { config, reading: everyToken }),
  classification: scoresLastToken('Qwen2ForSequenceClassification', hidden),
  languageModel: {
    architectureName: 'Qwen2ForCausalLM',
    tiedTo: tiedEmbedding('model.embed_tokens'),
  },
};

/** [B, T, D], or what is read of it */
function hidden(model: Scope, batch: Batch, { config, reading }: Reads<Qwen2Config>): Tensor {
  const { rms_norm_eps: eps, vocab_size: rows, hidden_size: width, intermediate_size, hidden_act } = config;
  const attending = rotaryAttention(batch, rotationOf(config, config.head_dim));
  let x = tokens(model.at('embed_tokens'), batch.inputIds, { rows, width }); // [B, T, D]
  for (const [layer, sight] of model.blocksOf('layers', layerSights(switchedWindows(config), reading))) {
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

function selfAttention(scope: Scope, x: Tensor, { reads, visible, angles, config }: Attending<Qwen2Config>): Tensor {
  const { q, k, v } = projectHeads(scope, x, config, { reads, bias: true });
  const turned = { q: turn(q, angles.queries), k: turn(k, angles.keys), v };
  const y = attention(scope, { ...turned, ...visible, dropoutRate: config.attention_dropout }); // [B, S, H·C]
  return linear(scope.at('o_proj'), reads.texts(y), { out: config.hidden_size, bias: false });
}
