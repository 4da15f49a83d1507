/** Qwen2 and Qwen2.5 decoders (https://arxiv.org/abs/2407.10671): queries, keys and values have biases. */
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
    max_position_embeddings: decoderFields.max_position_embeddings.default(32_768),
    ...switchedWindowFields,
  })
  .transform(withHeads)
  .superRefine(checkHeads);
type Qwen2Config = z.output<typeof configSchema>;

export const qwen2: Architecture<Qwen2Config> = {
  modelType: 'qwen2',
  prefix: 'model',
  ...separateProjections,
  norms: ['input_layernorm', 'post_attention_layernorm', 'norm'],
  configSchema,
  hidden,
  languageModel: {
    architectureName: 'Qwen2ForCausalLM',
    tiedTo: tiedEmbedding('model.embed_tokens'),
  },
};

/** [B, T, D] */
function hidden(model: Scope, batch: Batch, config: Qwen2Config): Tensor {
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
  readonly config: Qwen2Config;
}

function selfAttention(scope: Scope, x: Tensor, { visible, angles, config }: Attending): Tensor {
  const { q, k, v } = projectHeads(scope, x, config, { bias: true });
  const turned = { q: turn(q, angles), k: turn(k, angles), v };
  const y = attention(scope, { ...turned, ...visible, dropoutRate: config.attention_dropout }); // [B, T, H·C]
  return linear(scope.at('o_proj'), y, { out: config.hidden_size, bias: false });
}
