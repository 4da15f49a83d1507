/** Phi-3 and Phi-4 decoders (https://arxiv.org/abs/2404.14219): projections that read the same are one matrix. */
// B batch · T tokens · D hidden · H heads · K heads of keys and values · C head width · F feed-forward width
import { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import { type Angles, mul, split } from '../engine/ops/index.ts';
import type { Architecture } from './architecture.ts';
import {
  activations,
  attention,
  type Batch,
  causal,
  checkHeads,
  count,
  decoderFields,
  linear,
  longestText,
  preNormBlock,
  rate,
  rmsNorm,
  rotaryAngles,
  rotationOf,
  type Scope,
  splitHeads,
  tiedEmbedding,
  tokens,
  turn,
  type Visibility,
  windowFields,
  withHeads,
} from './nn/index.ts';

const configSchema = z
  .looseObject({
    ...decoderFields,
    max_position_embeddings: decoderFields.max_position_embeddings.default(4096),
    original_max_position_embeddings: count.default(4096),
    partial_rotary_factor: z.number().positive().max(1).optional(),
    rms_norm_eps: z.number().positive().default(1e-5),
    sliding_window: windowFields.sliding_window,
    embd_pdrop: rate.default(0),
    resid_pdrop: rate.default(0),
  })
  .transform((config) => {
    const heads = withHeads(config);
    // Longer texts would need other factors for all of their positions.
    return {
      ...heads,
      rotation: rotationOf(config, heads.head_dim),
      max_position_embeddings: longestText(config),
    };
  })
  .superRefine(checkHeads);
type Phi3Config = z.output<typeof configSchema>;

export const phi3: Architecture<Phi3Config> = {
  modelType: 'phi3',
  prefix: 'model',
  queryAndValue: ['qkv_proj'],
  keyAndValue: ['qkv_proj'],
  sublayerEnds: ['down_proj'],
  norms: ['input_layernorm', 'post_attention_layernorm', 'norm'],
  configSchema,
  hidden,
  languageModel: {
    architectureName: 'Phi3ForCausalLM',
    tiedTo: tiedEmbedding('model.embed_tokens'),
  },
};

/** [B, T, D] */
function hidden(model: Scope, batch: Batch, config: Phi3Config): Tensor {
  const { rms_norm_eps: eps, vocab_size: rows, hidden_size: width } = config;
  const angles = rotaryAngles(batch.positionIds, config.rotation);
  const visible = causal(batch)(config.sliding_window ?? undefined);
  const embedded = tokens(model.at('embed_tokens'), batch.inputIds, { rows, width }); // [B, T, D]
  let x = model.at('embed_dropout').dropout(embedded, config.embd_pdrop);
  for (const layer of model.blocks('layers', config.num_hidden_layers)) {
    const dropped = (name: string, y: Tensor): Tensor => layer.at(name).dropout(y, config.resid_pdrop);
    x = preNormBlock(layer, x, {
      eps,
      attention: (scope, normed) =>
        dropped('resid_attn_dropout', selfAttention(scope, normed, { visible, angles, config })),
      feedForward: (scope, normed) => dropped('resid_mlp_dropout', feedForward(scope, normed, config)),
    });
  }
  return rmsNorm(model.at('norm'), x, { eps });
}

interface Attending {
  readonly visible: Visibility;
  readonly angles: Angles;
  readonly config: Phi3Config;
}

function selfAttention(scope: Scope, x: Tensor, { visible, angles, config }: Attending): Tensor {
  const { num_attention_heads: heads, num_key_value_heads: keyHeads, head_dim: width } = config;
  const counts = [heads, keyHeads, keyHeads];
  const projected = linear(scope.at('qkv_proj'), x, { out: (heads + 2 * keyHeads) * width, bias: false });
  const parts = split(
    projected,
    -1,
    counts.map((count) => count * width),
  );
  const [q, k, v] = parts.map((part, i) => splitHeads(part, counts[i]!)) as [Tensor, Tensor, Tensor];
  const turned = { q: turn(q, angles), k: turn(k, angles), v }; // [B, H, T, C], [B, K, T, C]
  const y = attention(scope, { ...turned, ...visible, dropoutRate: config.attention_dropout }); // [B, T, H·C]
  return linear(scope.at('o_proj'), y, { out: config.hidden_size, bias: false });
}

function feedForward(
  scope: Scope,
  x: Tensor,
  { intermediate_size: width, hidden_act, hidden_size }: Phi3Config,
): Tensor {
  const both = linear(scope.at('gate_up_proj'), x, { out: 2 * width, bias: false });
  const [gate, up] = split(both, -1, [width, width]) as [Tensor, Tensor]; // [B, T, F]
  return linear(scope.at('down_proj'), mul(up, activations[hidden_act](gate)), { out: hidden_size, bias: false });
}
