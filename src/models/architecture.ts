import type { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import type { Batch, Scope } from './nn/index.ts';

/** What every config.json has that code outside its architecture reads. */
export interface BaseConfig {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly max_position_embeddings: number;
  readonly type_vocab_size: number;
  readonly initializer_range: number;
}

/** One model family, under its Hugging Face `model_type`. */
export interface Architecture<C extends BaseConfig = BaseConfig> {
  readonly modelType: string;
  /** Where the encoder's weights stand in a model with a head; a bare encoder's file leaves it out. */
  readonly prefix: string;
  /** Fields of config.json that the architecture reads, with the defaults that Transformers gives them. */
  readonly configSchema: z.ZodType<C>;
  /** The linear layers of queries and values. */
  readonly queryAndValue: readonly string[];
  /** The name that older checkpoints have for a tensor. */
  legacyName?(name: string): string;
  /** One vector a text. R texts: [R, D] */
  summary(base: Scope, batch: Batch, config: C): Tensor;
  /** The layer that turns a summary into one score a label, as Transformers names it. */
  readonly classifier: {
    readonly name: string;
    readonly architectureName: string;
    dropoutRate(config: C): number;
  };
}
