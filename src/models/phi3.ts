/** Phi-3 and Phi-4 decoders (https://arxiv.org/abs/2404.14219): projections that read the same are one matrix. */
// B batch · T tokens · D hidden · H heads · K heads of keys and values · C head width · F feed-forward width
import { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import { mul, split } from '../engine/ops/index.ts';
import type { Architecture } from './architecture.ts';
import {
  type Attending,
  activations,
  attention,
  type Batch,
  checkDecoder,
  count,
  decoderFields,
  everyToken,
  layerSights,
  linear,
  longestText,
  preNormBlock,
  type Reads,
  rate,
  rmsNorm,
  rotaryAttention,
  rotationOf,
  type Scope,
  sameWindows,
  scoresLastToken,
  splitHeads,
  tiedEmbedding,
  tokens,
  turn,
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
    pad_token_id: decoderFields.pad_token_id.default(32_000),
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
  .superRefine(checkDecoder);
type Phi3Config = z.output<typeof configSchema>;

export const phi3: Architecture<Phi3Config> = {
  modelType: 'phi3',
  prefix: 'model',
  queryAndValue: ['qkv_proj'],
  keyAndValue: ['qkv_proj'],
  sublayerEnds: ['down_proj'],
  norms: ['input_layernorm', 'post_attention_layernorm', 'norm'],
  configSchema,
  hidden: (model, batch, config) => hidden(model, batch, { config, reading: everyToken }),
  classification: scoresLastToken('Phi3ForSequenceClassification', hidden),
  languageModel: {
    architectureName: 'Phi3ForCausalLM',
    tiedTo: tiedEmbedding('model.embed_tokens'),
  },
};

/** [B, T, D], or what is read of it */
function hidden(model: Scope, batch: Batch, { config, reading }: Reads<Phi3Config>): Tensor {
  const { rms_norm_eps: eps, vocab_size: rows, hidden_size: width } = config;
  const attending = rotaryAttention(batch, config.rotation);
  const windows = sameWindows(config.num_hidden_layers, config.sliding_window);
  const embedded = tokens(model.at('embed_tokens'), batch.inputIds, { rows, width }); // [B, T, D]
  let x = model.at('embed_dropout').dropout(embedded, config.embd_pdrop);
  for (const [layer, sight] of model.blocksOf('layers', layerSights(windows, reading))) {
    const dropped = (name: string, y: Tensor): Tensor => layer.at(name).dropout(y, config.resid_pdrop);
    x = preNormBlock(layer, x, {
      eps,
      reads: sight.reads,
      attention: (scope, normed) =>
        dropped('resid_attn_dropout', selfAttention(scope, normed, { ...attending(sight), config })),
      feedForward: (scope, normed) => dropped('resid_mlp_dropout', feedForward(scope, normed, config)),
    });
  }
  return rmsNorm(model.at('norm'), x, { eps });
}

function selfAttention(scope: Scope, x: Tensor, { reads, visible, angles, config }: Attending<Phi3Config>): Tensor {
  const { num_attention_heads: heads, num_key_value_heads: keyHeads, head_dim: width } = config;
  const counts = [heads, keyHeads, keyHeads];
  const projected = linear(scope.at('qkv_proj'), x, { out: (heads + 2 * keyHeads) * width, bias: false });
  const parts = split(
    projected,
    -1,
    counts.map((count) => count * width),
  );
  const [asking, keys, values] = parts as [Tensor, Tensor, Tensor];
  const q = turn(splitHeads(reads.queries(asking), heads), angles.queries); // [B, H, S, C]
  const k = turn(splitHeads(keys, keyHeads), angles.keys); // [B, K, T, C]
  const v = splitHeads(values, keyHeads);
  const y = attention(scope, { q, k, v, ...visible, dropoutRate: config.attention_dropout }); // [B, S, H·C]
  return linear(scope.at('o_proj'), reads.texts(y), { out: config.hidden_size, bias: false });
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
