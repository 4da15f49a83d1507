/** Qwen3 decoder (https://arxiv.org/abs/2505.09388): the queries and keys of each head are normalised. */
// B batch · T tokens · D hidden · H heads · K heads of keys and values · C head width
import { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import type { Angles } from '../engine/ops/index.ts';
import type { Architecture } from './architecture.ts';
import {
  attention,
  type Batch,
  causal,
  checkHeads,
  decoderFields,
  gatedFeedForward,
  linear,
  preNormBlock,
  projectHeads,
  rmsNorm,
  rotaryAngles,
  rotationOf,
  type Scope,
  separateProjections,
  switchedWindowFields,
  switchedWindows,
  tiedEmbedding,
  tokens,
  turn,
  type Visibility,
  withHeads,
} from './nn/index.ts';

const configSchema = z
  .looseObject({
    ...decoderFields,
    head_dim: decoderFields.head_dim.default(128),
    attention_bias: z.boolean().default(false),
    max_position_embeddings: decoderFields.max_position_embeddings.default(32_768),
    ...switchedWindowFields,
  })
  .transform(withHeads)
  .superRefine(checkHeads);
type Qwen3Config = z.output<typeof configSchema>;

export const qwen3: Architecture<Qwen3Config> = {
  modelType: 'qwen3',
  prefix: 'model',
  ...separateProjections,
  norms: ['input_layernorm', 'post_attention_layernorm', 'norm', 'q_norm', 'k_norm'],
  configSchema,
  hidden,
  languageModel: {
    architectureName: 'Qwen3ForCausalLM',
    tiedTo: tiedEmbedding('model.embed_tokens'),
  },
};

/** [B, T, D] */
function hidden(model: Scope, batch: Batch, config: Qwen3Config): Tensor {
  const { rms_norm_eps: eps, vocab_size: rows, hidden_size: width, intermediate_size, hidden_act } = config;
  const angles = rotaryAngles(batch.positionIds, rotationOf(config, config.head_dim));
  const visibleIn = causal(batch);
  let x = tokens(model.at('embed_tokens'), batch.inputIds, { rows, width }); // [B, T, D]
  for (const [layer, window] of model.blocksOf('layers', switchedWindows(config))) {
    x = preNormBlock(layer, x, {
      eps,
      attention: (scope, normed) => selfAttention(scope, normed, { visible: visibleIn(window), angles, config }),
      feedForward: (scope, normed) =>
        gatedFeedForward(scope, normed, { width: intermediate_size, activation: hidden_act }),
    });
  }
  return rmsNorm(model.at('norm'), x, { eps });
}

interface Attending {
  readonly visible: Visibility;
  readonly angles: Angles;
  readonly config: Qwen3Config;
}

function selfAttention(scope: Scope, x: Tensor, { visible, angles, config }: Attending): Tensor {
  const { attention_bias: bias, rms_norm_eps: eps } = config;
  const { q, k, v } = projectHeads(scope, x, config, { bias });
  const normed = (name: string, heads: Tensor): Tensor => turn(rmsNorm(scope.at(name), heads, { eps }), angles);
  const turned = { q: normed('q_norm', q), k: normed('k_norm', k), v };
  const y = attention(scope, { ...turned, ...visible, dropoutRate: config.attention_dropout }); // [B, T, H·C]
  return linear(scope.at('o_proj'), y, { out: config.hidden_size, bias });
}
