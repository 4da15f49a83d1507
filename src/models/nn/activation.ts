/** Activation functions under the names that checkpoints give them (`hidden_act`). */
import type { Tensor } from '../../engine/graph/index.ts';
import { gelu, geluTanh, relu, silu, tanh } from '../../engine/ops/index.ts';

export const activations = {
  gelu,
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  relu,
  silu,
  swish: silu,
  tanh,
} as const satisfies Record<string, (x: Tensor) => Tensor>;

export type ActivationName = keyof typeof activations;
export const activationNames = Object.keys(activations) as ActivationName[];
