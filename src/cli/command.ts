import type { Console } from './console.ts';

export interface Option {
  readonly type: 'string' | 'number' | 'boolean';
  readonly help: string;
  /** What stands for the value in `--help`: FILE in `--data FILE`. */
  readonly value?: string;
  readonly short?: string;
  /** May be given more than once; the value is a list. */
  readonly multiple?: true;
}

/** By the word after `--`. */
export type Options = Readonly<Record<string, Option>>;

type ValueOf<Declared extends Option> = { string: string; number: number; boolean: boolean }[Declared['type']];

/** A switch that is not given is false, another option undefined, one that may be given often an empty list. */
export type Values<Declared extends Options> = {
  readonly [Name in keyof Declared]: Declared[Name] extends { multiple: true }
    ? readonly ValueOf<Declared[Name]>[]
    : Declared[Name] extends { type: 'boolean' }
      ? boolean
      : ValueOf<Declared[Name]> | undefined;
};

export interface Call<Declared extends Options> {
  readonly positionals: readonly string[];
  readonly values: Values<Declared>;
  readonly json: boolean;
  readonly out: Console;
  /** Aborted by Ctrl-C: the command ends cleanly, and returns 130 or throws the signal's reason. */
  readonly signal: AbortSignal;
}

/** A file of a command imports only what its declaration needs; `run` imports the rooms that do the work. */
export interface Command<Declared extends Options = Options> {
  readonly name: string;
  readonly summary: string;
  /** What follows `attune` and the name: `RECIPE [key=value …]`. */
  readonly usage: string;
  /** How many words it takes beside its options; any number when left out. */
  readonly positionals?: { readonly least: number; readonly most?: number };
  readonly options: Declared;
  /** Returns the exit code. */
  run(call: Call<Declared>): Promise<number>;
}

/** Gives `run` the types of the declared options. */
export function defineCommand<const Declared extends Options>(command: Command<Declared>): Command {
  return command;
}

/** Commands by name; one is loaded when it is called, so that a start stays fast. */
export type Commands = Readonly<Record<string, () => Promise<{ readonly command: Command }>>>;
