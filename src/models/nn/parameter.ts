import type { Tensor } from '../../engine/graph/index.ts';
import type { Stored } from './storage.ts';

/** First values of a parameter that no checkpoint holds. */
export type Initial =
  | 'zeros'
  | 'ones'
  | { readonly normal: { readonly standardDeviation: number } }
  | { readonly constant: number }
  /** Evenly from −bound to bound. */
  | { readonly uniform: { readonly bound: number } }
  | Derived
  | DerivedExactly;

/** Made from a frozen weight of the model, as it is kept: with `base_precision` these are the rounded values. */
export interface Derived {
  readonly from: Tensor;
  readonly compute: (weight: Float32Array) => Float32Array;
}

/** Made from a weight's values as its file has them, before they are kept in another form. */
export interface DerivedExactly {
  /** Name of the weight. */
  readonly ofFile: string;
  readonly compute: (weight: Float32Array) => Float32Array;
}

/** What is kept in the place of a frozen weight. */
export interface Replacement {
  /** Parameters that a method added, frozen too. */
  readonly from: readonly string[];
  /** Of the weight's values as its file has them. */
  readonly compute: (weight: Float32Array, ...from: readonly Float32Array[]) => Float32Array;
  /** What the form that the method means makes of it, for programs that keep the weight as it is. */
  readonly rounded: (values: Float32Array) => Float32Array;
}

/**
 * When a trained parameter must have a gradient that is not zero: at every step; only once others have moved, for what
 * stands before a matrix of zeros; unless all of a narrow ReLU is silent, which may happen to anyone; or never, where exact
 * arithmetic gives zero.
 */
export type GradientPromise = 'always' | 'afterUpdate' | 'unlessSilent' | 'never';

export interface Parameter {
  /** The checkpoint's name of the tensor. */
  readonly name: string;
  readonly shape: readonly number[];
  readonly fresh?: Initial;
  readonly head: boolean;
  readonly trainable: boolean;
  /** Added by a method: no checkpoint of the base has it. */
  readonly added: boolean;
  /** Multiple of the run's learning rate. */
  readonly learningRateScale: number;
  /** Left out: the run's for matrices, none for vectors. */
  readonly weightDecay?: number;
  /** Steps in which it rests before it is trained. */
  readonly opensAfter: number;
  readonly gradient: GradientPromise;
  /** 0 before the first block, 1 … count in the blocks, count + 1 after them; ∞ for what a method has once for all places. */
  readonly depth: number;
  /** A name under which files may have it once more: the head of an embedding that scores tokens too. */
  readonly alsoNamed?: string | undefined;
  /** Left out: as an array of its values. */
  readonly stored?: Stored | undefined;
  /** Left out: the weight itself is kept. */
  readonly replaced?: Replacement | undefined;
}

/** A parameter, and the tensor that stands for it in the graph. */
export interface DeclaredParameter {
  readonly parameter: Parameter;
  readonly tensor: Tensor;
}
