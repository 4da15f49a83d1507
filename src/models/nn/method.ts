/** What a fine-tuning method may do to a model: choose weights to train, and wrap the sites that layers declare. */
import type { Tensor } from '../../engine/graph/index.ts';
import type { Initial, Parameter } from './parameter.ts';

export interface Site {
  readonly path: string;
  /** A new parameter of the method at this place. */
  added(name: string, shape: readonly number[], fresh: Initial, options?: { trainable?: boolean }): Tensor;
}

export interface LinearSite extends Site {
  readonly x: Tensor;
  readonly weight: Tensor;
  readonly bias?: Tensor;
}

export interface TokensSite extends Site {
  readonly inputIds: Tensor;
  readonly width: number;
}

/** The end of a sublayer: y joins `residual`; post-norm models normalise the sum, and `norm` shows how. */
export interface SublayerSite extends Site {
  readonly sublayer: 'attention' | 'feedForward';
  readonly y: Tensor;
  readonly residual: Tensor;
  norm(x: Tensor): Tensor;
}

/** One block's keys and values [B, H, T, C], and the bias added to their scores (none: always visible). */
export interface Segment {
  readonly key: Tensor;
  readonly value: Tensor;
  readonly bias?: Tensor;
}

export interface KeyValueSite extends Site {
  readonly key: Tensor;
  readonly value: Tensor;
}

/** A middleware: `next` is the layer as the later methods left it; called without a value, it gets what this hook got. */
export type Around<S extends Site, T> = (site: S, next: (value?: Tensor) => T) => T;

/** A way of fine-tuning. Methods compose as a list; none of them names a model. */
export interface Method {
  readonly name: string;
  readonly trains?: (parameter: Omit<Parameter, 'trainable'>, blocks: number) => boolean;
  readonly linear?: Around<LinearSite, Tensor>;
  readonly tokens?: Around<TokensSite, Tensor>;
  readonly sublayerOutput?: Around<SublayerSite, Tensor>;
  readonly keyValue?: Around<KeyValueSite, Segment[]>;
}
