import type { Stored } from './storage.ts';

/** First values of a parameter that no checkpoint holds. */
export type Initial =
  | 'zeros'
  | 'ones'
  | { readonly normal: { readonly standardDeviation: number } }
  /** Evenly from −bound to bound. */
  | { readonly uniform: { readonly bound: number } };

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
  /** 0 before the first block, 1 … count in the blocks, count + 1 after them. */
  readonly depth: number;
  /** Left out: as an array of its values. */
  readonly stored?: Stored | undefined;
}
