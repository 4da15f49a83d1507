/** Llama decoder (https://arxiv.org/abs/2302.13971). Scope names are the checkpoint's tensor names. */
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
  tiedEmbedding,
  tokens,
  turn,
  type Visibility,
  withHeads,
} from './nn/index.ts';

const configSchema = z
  .looseObject({
    ...decoderFields,
    max_position_embeddings: decoderFields.max_position_embeddings.default(2048),
    attention_bias: z.boolean().default(false),
    mlp_bias: z.boolean().default(false),
  })
  .transform(withHeads)
  .superRefine(checkHeads);
type LlamaConfig = z.output<typeof configSchema>;

export const llama: Architecture<LlamaConfig> = {
  modelType: 'llama',
  prefix: 'model',
  ...separateProjections,
  norms: ['input_layernorm', 'post_attention_layernorm', 'norm'],
  configSchema,
  hidden,
  languageModel: {
    architectureName: 'LlamaForCausalLM',
    tiedTo: tiedEmbedding('model.embed_tokens'),
  },
};

/** [B, T, D] */
function hidden(model: Scope, batch: Batch, config: LlamaConfig): Tensor {
  const { rms_norm_eps: eps, vocab_size: rows, hidden_size: width, intermediate_size, hidden_act } = config;
  const angles = rotaryAngles(batch.positionIds, rotationOf(config, config.head_dim));
  const visible = causal(batch)();
  let x = tokens(model.at('embed_tokens'), batch.inputIds, { rows, width }); // [B, T, D]
  for (const layer of model.blocks('layers', config.num_hidden_layers)) {
    x = preNormBlock(layer, x, {
      eps,
      attention: (scope, normed) => selfAttention(scope, normed, { visible, angles, config }),
      feedForward: (scope, normed) =>
        gatedFeedForward(scope, normed, { width: intermediate_size, activation: hidden_act, bias: config.mlp_bias }),
    });
  }
  return rmsNorm(model.at('norm'), x, { eps });
}

interface Attending {
  readonly visible: Visibility;
  readonly angles: Angles;
  readonly config: LlamaConfig;
}

function selfAttention(scope: Scope, x: Tensor, { visible, angles, config }: Attending): Tensor {
  const { q, k, v } = projectHeads(scope, x, config, { bias: config.attention_bias });
  const turned = { q: turn(q, angles), k: turn(k, angles), v };
  const y = attention(scope, { ...turned, ...visible, dropoutRate: config.attention_dropout }); // [B, T, H·C]
  return linear(scope.at('o_proj'), y, { out: config.hidden_size, bias: config.attention_bias });
}
