import type { z } from 'zod';
import type { Method } from '../models/nn/index.ts';

/** What a method may ask about the model that it is attached to: the model's names of some layers. */
export interface ModelFacts {
  /** Linear layers of queries and values. */
  readonly queryAndValue: readonly string[];
  /** Linear layers of keys and values. */
  readonly keyAndValue: readonly string[];
  /** Linear layers at the end of sublayers. */
  readonly sublayerEnds: readonly string[];
  readonly norms: readonly string[];
}

/** A fine-tuning method: the keys that a recipe gives it, and what it does to a model. */
export interface MethodDefinition<Schema extends z.ZodObject> {
  /** The keys under `method` when its `name` is this one. */
  readonly settings: Schema;
  /** What `training.learning_rate: auto` means. */
  learningRate(settings: z.output<Schema>): number;
  attach(settings: z.output<Schema>, facts: ModelFacts): Method;
}

/** Gives `attach` the types of the declared settings. */
export const defineMethod = <Schema extends z.ZodObject>(definition: MethodDefinition<Schema>) => definition;
