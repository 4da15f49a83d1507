/** Parts that the blocks of several decoders have in common. */
// B batch · T tokens · D hidden · H heads · K heads of keys and values · C head width · F feed-forward width
import type { Tensor } from '../../engine/graph/index.ts';
import { mul } from '../../engine/ops/index.ts';
import { type ActivationName, activations } from './activation.ts';
import { splitHeads } from './attention.ts';
import { joinResidual, linear, rmsNorm } from './layers.ts';
import type { Scope } from './scope.ts';

interface PreNorm {
  readonly eps: number;
  readonly attention: (scope: Scope, x: Tensor) => Tensor;
  readonly feedForward: (scope: Scope, x: Tensor) => Tensor;
}

/** x + attention(norm x), then x + feedForward(norm x), under Llama's names. [B, T, D] */
export function preNormBlock(layer: Scope, x: Tensor, { eps, attention, feedForward }: PreNorm): Tensor {
  const [self, mlp] = [layer.at('self_attn'), layer.at('mlp')];
  const attended = attention(self, rmsNorm(layer.at('input_layernorm'), x, { eps }));
  const middle = joinResidual(self, attended, { sublayer: 'attention', residual: x });
  const expanded = feedForward(mlp, rmsNorm(layer.at('post_attention_layernorm'), middle, { eps }));
  return joinResidual(mlp, expanded, { sublayer: 'feedForward', residual: middle });
}

interface HeadSizes {
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly head_dim: number;
}

/** Queries [B, H, T, C], keys and values [B, K, T, C], under Llama's names. */
export function projectHeads(scope: Scope, x: Tensor, sizes: HeadSizes, { bias = false } = {}) {
  const project = (name: string, heads: number): Tensor =>
    splitHeads(linear(scope.at(name), x, { out: heads * sizes.head_dim, bias }), heads);
  return {
    q: project('q_proj', sizes.num_attention_heads),
    k: project('k_proj', sizes.num_key_value_heads),
    v: project('v_proj', sizes.num_key_value_heads),
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
