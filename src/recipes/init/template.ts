import type { Language } from './comments.ts';

/** A recipe to start from, with rows that show the form of the data. */
export interface Template {
  readonly name: string;
  /** One line for `attune init --list`. */
  readonly summary: string;
  readonly language: Language;
  /** The paragraphs above the recipe. */
  opening(paths: Paths): readonly string[];
  lines(paths: Paths): readonly Line[];
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

/** What is written, as a command names it that runs in the current folder. */
export interface Paths {
  readonly recipe: string;
  readonly data: string;
  /** The folder of the run that the recipe makes. */
  readonly run: string;
}

/** A setting as it stands in a recipe. The comment above it comes from its declaration. */
export interface Line {
  /** `training.learning_rate`; a group is opened where its first setting stands. */
  readonly key: string;
  /** Left out, it is the setting's default. */
  readonly value?: unknown;
  /** Stands there as a comment, to be taken up. */
  readonly isOffered?: true;
  /** What is to be said of this value: more lines of comment. */
  readonly note?: readonly string[];
}
