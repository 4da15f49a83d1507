import type { TemplateSource } from '../../../data/chat/index.ts';
import type { LengthFacts } from '../../../data/text/tokenRow.ts';

/** How a run's conversations were written. */
export interface ChatFacts {
  readonly template: TemplateSource;
  /** The tokens that answers end with. */
  readonly endTokenIds: readonly number[];
  /** Those among them that the model does not stop at by itself, as texts. */
  readonly unknownEnds: readonly string[];
  /** The tokens that the model stops at by itself. */
  readonly stopIds: readonly number[];
  /** generation_config.json of the model; undefined where it has none. */
  readonly generation?: Readonly<Record<string, unknown>> | undefined;
  /** Rows that are measured call tools. */
  readonly callsTools: boolean;
  /** Of the training rows. */
  readonly lengths: LengthFacts;
}
