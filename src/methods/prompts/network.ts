/** Layers of networks that a method puts beside the model. */
import type { Tensor } from '../../engine/graph/index.ts';
import type { Site } from '../../models/nn/index.ts';

/** Weight [out, in] and bias of a linear layer, with PyTorch's usual start. */
export function sharedLinear(site: Site, name: string, shape: readonly [number, number]): [Tensor, Tensor] {
  const start = { uniform: { bound: 1 / Math.sqrt(shape[1]) } };
  return [site.shared(`${name}.weight`, shape, start), site.shared(`${name}.bias`, [shape[0]], start)];
}
