/** BERT encoder (https://arxiv.org/abs/1810.04805). Scope names are the checkpoint's tensor names. */
// B batch · T tokens · D hidden · H heads · C head width · F feed-forward width
import { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import { add, tanh } from '../engine/ops/index.ts';
import type { Architecture } from './architecture.ts';
import {
  activationNames,
  activations,
  attention,
  type Batch,
  embedding,
  everyToken,
  firstTokens,
  type GradientPromise,
  joinResidual,
  layerNorm,
  linear,
  paddingBias,
  type Reading,
  type Scope,
  splitHeads,
  tokens,
} from './nn/index.ts';

const count = z.int().positive();
const rate = z.number().min(0).lt(1);
const fields = z.looseObject({
  vocab_size: count,
  hidden_size: count,
  intermediate_size: count,
  num_hidden_layers: count,
  num_attention_heads: count,
  max_position_embeddings: count,
  type_vocab_size: count.default(2),
  layer_norm_eps: z.number().positive().default(1e-12),
  hidden_act: z.enum(activationNames).default('gelu'),
  hidden_dropout_prob: rate.default(0.1),
  attention_probs_dropout_prob: rate.default(0.1),
  classifier_dropout: rate.nullish(),
  initializer_range: z.number().positive().default(0.02),
  position_embedding_type: z.literal('absolute').default('absolute'),
  is_decoder: z.literal(false).default(false),
});
const configSchema = fields.refine((config) => config.hidden_size % config.num_attention_heads === 0, {
  path: ['num_attention_heads'],
  error: 'hidden_size cannot be divided evenly among the heads',
});
export type BertConfig = z.infer<typeof configSchema>;

export const bert: Architecture<BertConfig> = {
  modelType: 'bert',
  prefix: 'bert',
  queryAndValue: ['query', 'value'],
  keyAndValue: ['key', 'value'],
  sublayerEnds: ['output.dense'],
  norms: ['LayerNorm'],
  configSchema,
  legacyName: (name) =>
    name.replace(/LayerNorm\.weight$/, 'LayerNorm.gamma').replace(/LayerNorm\.bias$/, 'LayerNorm.beta'),
  hidden: (model, batch, config) => hidden(model, batch, { config, reading: everyToken }),
  classification: {
    head: 'classifier',
    architectureName: 'BertForSequenceClassification',
    bias: true,
    dropoutRate: (config) => config.classifier_dropout ?? config.hidden_dropout_prob,
    summary,
  },
};

/** What is read of the last layer: [B, T, D] or [R, D] */
function hidden(model: Scope, batch: Batch, { config, reading }: { config: BertConfig; reading: Reading }): Tensor {
  const bias = paddingBias(batch); // [B, 1, 1, T]
  let above = config.num_hidden_layers;
  let x = embeddings(model.at('embeddings'), batch, config); // [B, T, D]
  for (const layer of model.blocks('encoder.layer', config.num_hidden_layers)) {
    const reads = --above > 0 ? everyToken : reading;
    x = selfAttention(layer.at('attention'), x, { bias, config, reads });
    x = feedForward(layer, x, config);
  }
  return x;
}

function embeddings(scope: Scope, batch: Batch, config: BertConfig): Tensor {
  const width = config.hidden_size;
  const words = tokens(scope.at('word_embeddings'), batch.inputIds, { rows: config.vocab_size, width });
  const positions = { rows: config.max_position_embeddings, width };
  const places = embedding(scope.at('position_embeddings'), batch.positionIds, positions);
  const types = { rows: config.type_vocab_size, width };
  const kinds = embedding(scope.at('token_type_embeddings'), batch.tokenTypeIds, types);
  const x = layerNorm(scope.at('LayerNorm'), add(add(words, kinds), places), { eps: config.layer_norm_eps });
  return scope.dropout(x, config.hidden_dropout_prob); // [B, T, D]
}

interface Attending {
  readonly bias: Tensor;
  readonly config: BertConfig;
  readonly reads: Reading;
}

function selfAttention(scope: Scope, x: Tensor, { bias, config, reads }: Attending): Tensor {
  const self = scope.at('self');
  const project = (name: string, from: Tensor, biasGradient?: GradientPromise): Tensor =>
    splitHeads(linear(self.at(name), from, { out: config.hidden_size, biasGradient }), config.num_attention_heads); // [B, H, T, C]
  const asking = reads.queries(x); // [B, S, D]
  // A bias of the keys adds the same to all scores of a query, which softmax takes away again.
  const projected = { q: project('query', asking), k: project('key', x, 'never'), v: project('value', x) };
  const y = attention(self, { ...projected, bias, dropoutRate: config.attention_probs_dropout_prob }); // [B, S, D]
  const residual = reads.texts(asking);
  return addAndNorm(scope.at('output'), reads.texts(y), { sublayer: 'attention', residual, config });
}

function feedForward(layer: Scope, x: Tensor, config: BertConfig): Tensor {
  const activation = activations[config.hidden_act];
  const wide = activation(linear(layer.at('intermediate.dense'), x, { out: config.intermediate_size })); // [B, T, F]
  return addAndNorm(layer.at('output'), wide, { sublayer: 'feedForward', residual: x, config });
}

interface Ending {
  readonly sublayer: 'attention' | 'feedForward';
  readonly residual: Tensor;
  readonly config: BertConfig;
}

/** LayerNorm(x + Dropout(Dense(y))) */
function addAndNorm(scope: Scope, y: Tensor, { sublayer, residual, config }: Ending): Tensor {
  const dense = linear(scope.at('dense'), y, { out: config.hidden_size }); // [B, T, D]
  const projected = scope.dropout(dense, config.hidden_dropout_prob);
  const norm = (x: Tensor): Tensor => layerNorm(scope.at('LayerNorm'), x, { eps: config.layer_norm_eps });
  return joinResidual(scope, projected, { sublayer, residual, norm });
}

/** Summary of each whole text, read off its first token. [R, D] */
function summary(model: Scope, batch: Batch, config: BertConfig): Tensor {
  const x = hidden(model, batch, { config, reading: firstTokens(batch) }); // [R, D]
  const fresh = { normal: { standardDeviation: config.initializer_range } };
  return tanh(linear(model.at('pooler.dense'), x, { out: config.hidden_size, fresh }));
}
