import { z } from 'zod';
import type { Method } from '../models/nn/index.ts';
import type { Part } from './byRow/parts.ts';

/** What a method may ask about the model that it is attached to: the model's names of some layers. */
export interface ModelFacts {
  /** Linear layers of queries and values. */
  readonly queryAndValue: readonly string[];
  /** Linear layers of keys and values. */
  readonly keyAndValue: readonly string[];
  /** Linear layers at the end of sublayers. */
  readonly sublayerEnds: readonly string[];
  readonly norms: readonly string[];
  /** Whether matrices of linear layers are kept as [in, out], which PEFT notes. */
  readonly fanInFanOut?: boolean;
  /** Where something starts from a text. Left out where everything is read from files. */
  readonly tokenIds?: (text: string) => readonly number[];
  /** Where a model is trained. */
  readonly run?: RunLength;
  /** The folder of the adapter that has these settings; left out: a recipe's. */
  readonly savedIn?: string;
}

/** A key of every method whose trained tensors lie in the layers: https://arxiv.org/abs/1801.06146 trains lower layers more slowly. */
export const layerDecay = z
  .number()
  .positive()
  .max(1)
  .optional()
  .meta({
    description:
      'Each layer learns with this multiple of the rate of the layer above it; what follows the layers, or is there once ' +
      'for all of them, learns with the whole rate.',
    takes: 'a number above 0, and at most 1',
    defaultText: '1',
    aliases: ['llrd', 'layerwise_lr_decay', 'layer_decay'],
  });

export interface RunLength {
  readonly totalSteps: number;
  /** Of each epoch that the run enters. */
  readonly stepsOfEpoch: readonly number[];
}

/** A linear layer of the base. */
export interface BaseLayer {
  /** [out, in] */
  readonly shape: readonly [number, number];
  /** Part of the task's head. */
  readonly head: boolean;
  weight(): Float32Array;
  /** [out]; undefined where it has none. */
  bias(): Float32Array | undefined;
}

/** What a method trained, and the base that it was trained over. */
export interface TrainedPart {
  /** Places that have a tensor of this name. */
  places(name: string): readonly string[];
  shapeOf(name: string): readonly number[];
  /** A tensor's values. What nobody takes is left over: the adapter would be used in part. */
  take(name: string): Float32Array;
  layer(path: string): BaseLayer;
}

/** A fine-tuning method: the keys that a recipe gives it, and what it does to a model. */
export interface MethodDefinition<Schema extends z.ZodObject> {
  /** The keys under `method` when its `name` is this one. */
  readonly settings: Schema;
  /** What `training.learning_rate: auto` means. */
  learningRate(settings: z.output<Schema>): number;
  /** How many of the model's positions it takes; left out: none. */
  positions?(settings: z.output<Schema>): number;
  /** The settings once it is known how long the run is, with what they leave to that. Throws where they do not fit it. */
  settled?(settings: z.output<Schema>, run: Pick<RunLength, 'totalSteps'>): z.output<Schema>;
  /**
   * What it does to frozen weights when it is opened, in words; left out, or undefined: nothing. What it trains is right
   * beside such weights alone, which no other program has.
   */
  baseChange?(settings: z.output<Schema>): string | undefined;
  attach(settings: z.output<Schema>, facts: ModelFacts): Method;
  /** What it adds, as arrays that each row of a batch has its own of; left out: nothing, or nothing that can be that. */
  byRow?(settings: z.output<Schema>, trained: TrainedPart): readonly Part[];
}

/** Gives `attach` the types of the declared settings. */
export const defineMethod = <Schema extends z.ZodObject>(definition: MethodDefinition<Schema>) => definition;
