/** GPT-2 decoder (OpenAI, 2019): learned positions, and matrices that the checkpoint keeps as [in, out]. */
// B batch · T tokens · D hidden · H heads · C head width · F feed-forward width
import { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import { add, split } from '../engine/ops/index.ts';
import type { Architecture } from './architecture.ts';
import {
  activationNames,
  activations,
  attention,
  type Batch,
  causal,
  count,
  embedding,
  everyToken,
  joinResidual,
  layerNorm,
  layerSights,
  linear,
  type Reading,
  type Reads,
  rate,
  type Scope,
  sameWindows,
  scoresLastToken,
  splitHeads,
  tiedEmbedding,
  tokens,
  type Visibility,
} from './nn/index.ts';

const configSchema = z
  .looseObject({
    vocab_size: count.default(50_257),
    n_positions: count.default(1024),
    n_embd: count.default(768),
    n_layer: count.default(12),
    n_head: count.default(12),
    n_inner: count.nullish(),
    activation_function: z.enum(activationNames).default('gelu_new'),
    layer_norm_epsilon: z.number().positive().default(1e-5),
    embd_pdrop: rate.default(0.1),
    attn_pdrop: rate.default(0.1),
    resid_pdrop: rate.default(0.1),
    initializer_range: z.number().positive().default(0.02),
    tie_word_embeddings: z.boolean().default(true),
    pad_token_id: z.int().nullish(),
    scale_attn_weights: z.literal(true).default(true),
    scale_attn_by_inverse_layer_idx: z.literal(false).default(false),
    add_cross_attention: z.literal(false).default(false),
  })
  .transform((config) => ({ ...config, hidden_size: config.n_embd, max_position_embeddings: config.n_positions }))
  .refine((config) => config.n_embd % config.n_head === 0, {
    path: ['n_head'],
    error: 'n_embd cannot be divided evenly among the heads',
  });
type Gpt2Config = z.output<typeof configSchema>;

export const gpt2: Architecture<Gpt2Config> = {
  modelType: 'gpt2',
  prefix: 'transformer',
  queryAndValue: ['c_attn'],
  keyAndValue: ['c_attn'],
  sublayerEnds: ['mlp.c_proj'],
  norms: ['ln_1', 'ln_2', 'ln_f'],
  fanInFanOut: true,
  configSchema,
  hidden: (model, batch, config) => hidden(model, batch, { config, reading: everyToken }),
  classification: scoresLastToken('GPT2ForSequenceClassification', hidden),
  languageModel: {
    architectureName: 'GPT2LMHeadModel',
    tiedTo: tiedEmbedding('transformer.wte'),
  },
};

/** [B, T, D], or what is read of it */
function hidden(model: Scope, batch: Batch, { config, reading }: Reads<Gpt2Config>): Tensor {
  const { layer_norm_epsilon: eps, n_embd: width } = config;
  const visibleTo = causal(batch);
  const sights = layerSights(sameWindows(config.n_layer), reading);
  const words = tokens(model.at('wte'), batch.inputIds, { rows: config.vocab_size, width });
  const places = embedding(model.at('wpe'), batch.positionIds, { rows: config.n_positions, width });
  let x = model.at('drop').dropout(add(words, places), config.embd_pdrop); // [B, T, D]
  for (const [layer, sight] of model.blocksOf('h', sights)) {
    const { reads } = sight;
    const [attn, mlp] = [layer.at('attn'), layer.at('mlp')];
    const attended = selfAttention(attn, layerNorm(layer.at('ln_1'), x, { eps }), {
      reads,
      visible: visibleTo(sight),
      config,
    });
    x = joinResidual(attn, attended, { sublayer: 'attention', residual: reads.texts(reads.queries(x)) });
    const expanded = feedForward(mlp, layerNorm(layer.at('ln_2'), x, { eps }), config);
    x = joinResidual(mlp, expanded, { sublayer: 'feedForward', residual: x });
  }
  return layerNorm(model.at('ln_f'), x, { eps });
}

interface Attending {
  readonly reads: Reading;
  readonly visible: Visibility;
  readonly config: Gpt2Config;
}

function selfAttention(scope: Scope, x: Tensor, { reads, visible, config }: Attending): Tensor {
  const { n_embd: width, n_head: heads } = config;
  const projected = linear(scope.at('c_attn'), x, { out: 3 * width, transposed: true });
  const [asking, keys, values] = split(projected, -1, [width, width, width]) as [Tensor, Tensor, Tensor];
  const q = splitHeads(reads.queries(asking), heads); // [B, H, S, C]
  const [k, v] = [splitHeads(keys, heads), splitHeads(values, heads)]; // [B, H, T, C]
  const y = attention(scope, { q, k, v, ...visible, dropoutRate: config.attn_pdrop }); // [B, S, D]
  const mixed = linear(scope.at('c_proj'), reads.texts(y), { out: width, transposed: true });
  return scope.at('resid_dropout').dropout(mixed, config.resid_pdrop);
}

function feedForward(scope: Scope, x: Tensor, config: Gpt2Config): Tensor {
  const wide = linear(scope.at('c_fc'), x, { out: config.n_inner ?? 4 * config.n_embd, transposed: true }); // [B, T, F]
  const active = activations[config.activation_function](wide);
  const y = linear(scope.at('c_proj'), active, { out: config.n_embd, transposed: true });
  return scope.at('dropout').dropout(y, config.resid_pdrop);
}
