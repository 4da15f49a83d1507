/** Layers of networks that a method puts beside the model. */
import type { Tensor } from '../../engine/graph/index.ts';
import type { AddedOptions, Site } from '../../models/nn/index.ts';

interface SharedLinear {
  /** [out, in] */
  readonly shape: readonly [number, number];
  readonly weight?: AddedOptions;
  readonly bias?: AddedOptions;
}

/** Weight [out, in] and bias of a linear layer, with PyTorch's usual start. */
export function sharedLinear(site: Site, name: string, { shape, weight, bias }: SharedLinear): [Tensor, Tensor] {
  const start = { uniform: { bound: 1 / Math.sqrt(shape[1]) } };
  return [site.shared(`${name}.weight`, shape, start, weight), site.shared(`${name}.bias`, [shape[0]], start, bias)];
}
