import type { ClassCount, Compared, Problems, Row } from '../../data/index.ts';
import type { Recipe } from '../schema/index.ts';

/** What is wished of rows; each task reads its own part. */
export interface TaskWishes {
  readonly columns?: Readonly<Record<string, string | undefined>> | undefined;
  readonly labels?: 'required' | 'optional';
  readonly format?: string | undefined;
}

export interface TurnCounts {
  readonly format: string | null;
  readonly assistant: number;
  readonly user: number;
  /** Turns that are learned from. */
  readonly trained: number;
  readonly toolCalls: number;
}

export interface ReadRows extends Problems {
  readonly examples: readonly Compared[];
  readonly labels?: readonly ClassCount[];
  readonly turns?: TurnCounts;
}

export interface CheckedTask {
  /** A row in JSON, for who wrote something else. */
  readonly example?: string;
  read(rows: readonly Row[], wishes: TaskWishes): ReadRows;
  /** What only training finds. */
  training?(examples: readonly Compared[], data: Recipe['data']): Problems;
  /** Rows that are measured on, beside those that are learned from. */
  held?(examples: readonly Compared[], trained: readonly Compared[]): Problems;
  /** What is allowed in a file, and yet worth saying. */
  warning?(examples: readonly Compared[]): { readonly problem: string; readonly fix: string } | undefined;
}
