/** Rows of a language model: tokens, and for each the token that is learned there. */
import { IGNORED } from '../batch.ts';

export interface TokenRow {
  readonly inputIds: readonly number[];
  /** The token itself where it is learned from what stands before it, else −100. The first never is. */
  readonly labels: readonly number[];
}

export const labelCount = ({ labels = [] }: Partial<TokenRow>): number =>
  labels.reduce((sum, id) => sum + (id === IGNORED ? 0 : 1), 0);

/** The first tokens of a row that is too long. */
export const truncated = (row: TokenRow, maxLength: number): TokenRow =>
  row.inputIds.length <= maxLength
    ? row
    : { inputIds: row.inputIds.slice(0, maxLength), labels: row.labels.slice(0, maxLength) };

/** Rows with the examples that they come from, and what was left out on the way. */
export interface TokenRows<Example> {
  readonly rows: readonly TokenRow[];
  /** Of each row. */
  readonly examples: readonly Example[];
  readonly facts: LengthFacts;
}

export interface LengthFacts {
  readonly tokens: number;
  /** Tokens that are learned. */
  readonly labels: number;
  /** Rows that were cut, and the tokens to learn that they lost. */
  readonly truncated: number;
  readonly lostLabels: number;
  /** Answers that were cut before the token that ends them, which is then not learned. */
  readonly lostEnds: number;
  /** Rows that had nothing left to learn, and were left out because `data.on_empty_labels` says so. */
  readonly dropped: number;
}
