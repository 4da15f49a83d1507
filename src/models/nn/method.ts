/** What a fine-tuning method may do to a model: choose weights to train, and wrap the sites that layers declare. */
import type { Tensor } from '../../engine/graph/index.ts';
import type { Batch } from './batch.ts';
import type { Visibility } from './causal.ts';
import type { DeclaredParameter, GradientPromise, Initial, Parameter, Replacement } from './parameter.ts';
import type { BasePrecision } from './storage.ts';

export interface AddedOptions {
  /** Left out: trained. What is not is saved all the same: no checkpoint of the base has it. */
  readonly trainable?: boolean;
  readonly learningRateScale?: number;
  /** Left out: always. */
  readonly gradient?: GradientPromise;
}

export interface Site {
  readonly path: string;
  /** Number of the block around it, from 0; −1 before the first. */
  readonly block: number;
  /** A new parameter of the method at this place. */
  added(name: string, shape: readonly number[], fresh: Initial, options?: AddedOptions): Tensor;
  /** The same, one for all places. */
  shared(name: string, shape: readonly number[], fresh: Initial, options?: AddedOptions): Tensor;
  /** What other programs read in place of the parameters that it is made of. The same for all places. */
  exported(name: string, value: Tensor): Tensor;
  /** x with dropout of exactly this rate while training. */
  dropout(x: Tensor, rate: number): Tensor;
}

/** The weight of a linear layer as its file has it. Values are [out, in], however the file keeps them. */
export interface ExactWeight {
  /**
   * What a form of keeping weights makes of values. Undefined where it would keep this one as it is: in full, or in blocks
   * that the file has already.
   */
  rounding(precision: BasePrecision): ((values: Float32Array) => Float32Array) | undefined;
  /** First values of a parameter that are made from it. */
  start(compute: (weight: Float32Array) => Float32Array): Initial;
  /** Keeps something else in its place, while it is frozen. */
  replace(replacement: Replacement): void;
}

export interface LinearSite extends Site {
  readonly x: Tensor;
  readonly weight: Tensor;
  readonly bias?: Tensor;
  /** Part of the task's head. */
  readonly head: boolean;
  /** It scores the tokens of the vocabulary: adapted only where it is named. */
  readonly vocabulary: boolean;
  readonly exact: ExactWeight;
}

export interface TokensSite extends Site {
  readonly inputIds: Tensor;
  /** The matrix of the embeddings. [rows, width] */
  readonly table: Tensor;
  readonly width: number;
  /** What the model multiplies the rows by that it looks up. */
  readonly scale: number;
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
  /** What the layer hides of keys that have positions; undefined where it reads in both directions. */
  readonly biasOf?: Visibility['biasOf'] | undefined;
  /** How many tokens the layer looks back; undefined: all. */
  readonly window?: Visibility['window'];
}

/** A middleware: `next` is the layer as the later methods left it; called without a value, it gets what this hook got. */
export type Around<S extends Site, T> = (site: S, next: (value?: Tensor) => T) => T;

interface BuiltLinear {
  readonly path: string;
  readonly head: boolean;
  readonly vocabulary: boolean;
  /** [out, in] */
  readonly shape: readonly [number, number];
}

/** What a finished build holds, for methods to check their wishes against. */
export interface Built {
  readonly parameters: readonly Parameter[];
  readonly linears: readonly BuiltLinear[];
  /** Paths of the embeddings of the text. */
  readonly embeddings: readonly string[];
  /** Number of the model's equal blocks. */
  readonly blocks: number;
}

/** An optimizer step that was just made, as a method may read it and add to it. */
export interface UpdateMade {
  /** Number of the step in the run's plan, 1 for the first. Steps that were left out have numbers too. */
  readonly step: number;
  /** What gradients are to be multiplied by, to be those that the optimizer saw: of the mean loss, and clipped. */
  readonly gradientScale: number;
  /** The live values of a trained parameter: what is written here, the next step computes with. */
  weightOf(name: string): Float32Array;
  /** Its gradient of the summed loss. Only to be read. */
  gradientOf(name: string): Float32Array;
  /** An array that the method named in `remembers`. */
  remembered(name: string): Float32Array;
}

/** What a method does after each optimizer step, to what was trained in it. */
export interface AfterUpdate {
  /** Arrays that it goes on from, zero at first. Checkpoints hold them, and a run that goes back takes them back too. */
  readonly remembers: readonly { readonly name: string; readonly shape: readonly number[] }[];
  run(update: UpdateMade): void;
}

/** What a method puts before a text, for programs that read texts piece by piece: in place of its hooks `batch` and `tokens`. */
export interface BeforeText {
  /** Positions of the model that it takes; those of the text follow. */
  readonly positions: number;
  /** Reads tokens that stand there, with ids of −1 … −positions. Left out: there are none. */
  readonly tokens?: Around<TokensSite, Tensor>;
}

/** A way of fine-tuning. Methods compose as a list; none of them names a model. */
export interface Method {
  readonly name: string;
  /** For a method that must know all layers before it meets the first: the method itself, from the model without it. */
  readonly survey?: (built: Built) => Method;
  readonly trains?: (parameter: Omit<Parameter, 'trainable' | 'learningRateScale'>, blocks: number) => boolean;
  /** Multiple of the learning rate for a weight of the model that is trained. */
  readonly learningRateScale?: (parameter: { readonly shape: readonly number[] }) => number;
  /** Multiple of the learning rate from each block to the one below it; left out: 1. */
  readonly layerDecay?: number;
  /** For the depths at which something is trained, from the top down: how many steps it rests before. Left out: none. */
  readonly opensAfter?: (depths: readonly number[], blocks: number) => readonly number[];
  /** A trained parameter with other rates, once all of them are known. */
  readonly regrouped?: (parameter: Parameter) => Parameter;
  /** Throws where a wish of the settings chose nothing. */
  readonly validate?: (built: Built) => void;
  /** A scalar of trained parameters alone that is added to the mean loss of a step, whatever was scored in it. */
  readonly penalty?: (parameters: readonly DeclaredParameter[], built: Built) => Tensor | undefined;
  readonly afterUpdate?: (built: Built) => AfterUpdate | undefined;
  /** What the model reads in place of a batch. */
  readonly batch?: (batch: Batch) => Batch;
  /** The same where a text is read piece by piece. */
  readonly before?: BeforeText;
  readonly linear?: Around<LinearSite, Tensor>;
  readonly tokens?: Around<TokensSite, Tensor>;
  readonly sublayerOutput?: Around<SublayerSite, Tensor>;
  readonly keyValue?: Around<KeyValueSite, Segment[]>;
  /** The weight of a linear layer with what the method adds to it, where that can be one matrix. */
  readonly mergedWeight?: (site: LinearSite, weight: Tensor) => Tensor;
  /** Its bias likewise. */
  readonly mergedBias?: (site: LinearSite, bias: Tensor) => Tensor;
  /** The matrix of the embeddings likewise. [rows, width] */
  readonly mergedTable?: (site: TokensSite, table: Tensor) => Tensor;
}
