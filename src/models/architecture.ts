import type { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import type { Batch, Scope } from './nn/index.ts';

/** What every config.json has that code outside its architecture reads. */
export interface BaseConfig {
  readonly vocab_size: number;
  readonly hidden_size: number;
  readonly max_position_embeddings: number;
  readonly initializer_range: number;
}

/** One model family, under its Hugging Face `model_type`. What a family cannot do, it leaves out. */
export interface Architecture<C extends BaseConfig = BaseConfig> {
  readonly modelType: string;
  /** Where the model's weights stand beside those of a head; the file of a model without a head leaves it out. */
  readonly prefix: string;
  /** Fields of config.json that the architecture reads, with the defaults that Transformers gives them. */
  readonly configSchema: z.ZodType<C>;
  /** The linear layers of queries and values. */
  readonly queryAndValue: readonly string[];
  /** Those of keys and values. */
  readonly keyAndValue: readonly string[];
  /** Those at the end of sublayers, whose inputs IA³ scales. */
  readonly sublayerEnds: readonly string[];
  /** The layer norms. */
  readonly norms: readonly string[];
  /** Whether the checkpoint keeps the matrices of linear layers as [in, out]. */
  readonly fanInFanOut?: boolean;
  /** The name that older checkpoints have for a tensor. */
  legacyName?(name: string): string;
  /** [B, T, D] */
  hidden(base: Scope, batch: Batch, config: C): Tensor;
  readonly classification?: Classification<C>;
  readonly languageModel?: LanguageModel<C>;
}

/** One score a label for a whole text. */
interface Classification<C> {
  /** The head, as Transformers names it. */
  readonly head: string;
  readonly architectureName: string;
  /** False where it is a matrix alone. */
  readonly bias: boolean;
  /** The token that Transformers takes for padding and never reads, where it tells padding by its token. */
  padTokenId?(config: C): number | undefined;
  dropoutRate(config: C): number;
  /** One vector a text; the last layer is computed only for what is read of it. R texts: [R, D] */
  summary(base: Scope, batch: Batch, config: C): Tensor;
}

/** Scores of the next token at each place of a text, read from left to right. */
interface LanguageModel<C> {
  readonly architectureName: string;
  /** The embedding whose matrix the head is, from the root; undefined where it has its own, `lm_head`. */
  tiedTo(config: C): string | undefined;
  /** What scores approach but do not exceed. */
  softcap?(config: C): number | undefined;
}
