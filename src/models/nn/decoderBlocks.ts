/** Parts that the blocks of several decoders have in common. */
// B batch · T tokens · D hidden · H heads · K heads of keys and values · C head width · F feed-forward width
import type { Tensor } from '../../engine/graph/index.ts';
import { mul } from '../../engine/ops/index.ts';
import { type ActivationName, activations } from './activation.ts';
import { splitHeads } from './attention.ts';
import type { Batch } from './batch.ts';
import { causal } from './causal.ts';
import { joinResidual, linear, rmsNorm } from './layers.ts';
import { lastTokens, type Reading, type Sight } from './reading.ts';
import { type Rotation, turning } from './rotary.ts';
import type { Scope } from './scope.ts';

/** What a decoder is built with beside its batch. */
export interface Reads<C> {
  readonly config: C;
  /** What is read of the last layer. */
  readonly reading: Reading;
}

/** Transformers' classifier over a decoder: labels are scored from the last token, with a matrix alone. */
export const scoresLastToken = <C extends { readonly pad_token_id?: number | null | undefined }>(
  architectureName: string,
  hidden: (model: Scope, batch: Batch, reads: Reads<C>) => Tensor,
) => ({
  head: 'score',
  architectureName,
  bias: false,
  padTokenId: ({ pad_token_id: id }: C) => (typeof id === 'number' && id >= 0 ? id : undefined),
  dropoutRate: () => 0,
  summary: (model: Scope, batch: Batch, config: C) => hidden(model, batch, { config, reading: lastTokens(batch) }),
});

/** What attention is given over a batch whose positions turn, layer by layer. */
export function rotaryAttention(batch: Batch, rotation: Rotation) {
  const [visibleTo, anglesOf] = [causal(batch), turning(batch.positionIds, rotation)];
  return (sight: Sight) => ({ reads: sight.reads, visible: visibleTo(sight), angles: anglesOf(sight.reads) });
}

export type Attending<C> = ReturnType<ReturnType<typeof rotaryAttention>> & { readonly config: C };

interface PreNorm {
  readonly eps: number;
  readonly reads: Reading;
  /** What is read of it. */
  readonly attention: (scope: Scope, x: Tensor) => Tensor;
  readonly feedForward: (scope: Scope, x: Tensor) => Tensor;
}

/** x + attention(norm x), then x + feedForward(norm x), under Llama's names. [B, T, D], or what is read of it */
export function preNormBlock(layer: Scope, x: Tensor, { eps, reads, attention, feedForward }: PreNorm): Tensor {
  const [self, mlp] = [layer.at('self_attn'), layer.at('mlp')];
  const attended = attention(self, rmsNorm(layer.at('input_layernorm'), x, { eps }));
  const middle = joinResidual(self, attended, { sublayer: 'attention', residual: reads.texts(reads.queries(x)) });
  const expanded = feedForward(mlp, rmsNorm(layer.at('post_attention_layernorm'), middle, { eps }));
  return joinResidual(mlp, expanded, { sublayer: 'feedForward', residual: middle });
}

interface HeadSizes {
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly head_dim: number;
}

interface Projection {
  readonly reads: Reading;
  readonly bias?: boolean;
}

/** Queries [B, H, S, C], keys and values [B, K, T, C], under Llama's names. */
export function projectHeads(scope: Scope, x: Tensor, sizes: HeadSizes, { reads, bias = false }: Projection) {
  const project = (name: string, from: Tensor, heads: number): Tensor =>
    splitHeads(linear(scope.at(name), from, { out: heads * sizes.head_dim, bias }), heads);
  return {
    q: project('q_proj', reads.queries(x), sizes.num_attention_heads),
    k: project('k_proj', x, sizes.num_key_value_heads),
    v: project('v_proj', x, sizes.num_key_value_heads),
  };
}

interface Gated {
  readonly width: number;
  readonly activation: ActivationName;
  readonly bias?: boolean;
}

/** down(activation(gate x)·up x): SwiGLU and its like (https://arxiv.org/abs/2002.05202). [B, T, D] */
export function gatedFeedForward(scope: Scope, x: Tensor, { width, activation, bias = false }: Gated): Tensor {
  const gate = activations[activation](linear(scope.at('gate_proj'), x, { out: width, bias })); // [B, T, F]
  const up = linear(scope.at('up_proj'), x, { out: width, bias }); // [B, T, F]
  return linear(scope.at('down_proj'), mul(gate, up), { out: x.shape.at(-1) as number, bias });
}
