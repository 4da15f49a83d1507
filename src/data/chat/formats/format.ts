import type { Row } from '../../row.ts';
import type { Read } from '../message.ts';

/** Columns by their use, where they do not have the usual names. */
export type ChatColumns = Readonly<Partial<Record<ChatUse, string>>>;
export type ChatUse =
  | 'messages'
  | 'tools'
  | 'prompt'
  | 'completion'
  | 'instruction'
  | 'input'
  | 'output'
  | 'system'
  | 'history'
  | 'text';

/** Messages as the file has them: they are checked by `readMessage`, whatever the format. */
export interface Raw {
  readonly messages: readonly unknown[];
  readonly tools?: unknown;
}

/** One form of chat data. */
export interface ChatFormat {
  /** Columns that every row of this form has, by their use: the usual name of each. */
  readonly needs: Readonly<Partial<Record<ChatUse, string>>>;
  /** Columns that a row may have besides. */
  readonly may: Readonly<Partial<Record<ChatUse, string>>>;
  /** Of those that it needs, the one that a row has no use for which only asks. */
  readonly answer?: ChatUse;
  read(row: Row, cell: (use: ChatUse) => unknown): Read<Raw>;
}

/** A value that is not there: JSON's null, and an empty cell of a table. */
export const isAbsent = (value: unknown): boolean => value === undefined || value === null || value === '';
