import { parseArgs } from 'node:util';
import { AttuneError, nearest } from '../errors/index.ts';
import type { Command, Option, Options } from './command.ts';

/** Taken by every command, before its name or after it. */
export const globalOptions = {
  help: { type: 'boolean', short: 'h', help: 'shows this text' },
  json: { type: 'boolean', help: 'prints the result as JSON on stdout' },
  verbose: { type: 'boolean', help: 'shows with an error where in the program it came from' },
  'no-color': { type: 'boolean', help: 'prints without colours' },
  version: { type: 'boolean', help: 'shows the version' },
} as const satisfies Options;

export interface Globals {
  readonly flags: Readonly<Record<keyof typeof globalOptions, boolean>>;
  readonly name: string | undefined;
  /** What is left without the command's name. */
  readonly rest: readonly string[];
}

/** Reads the options of every command and the command's name; the rest is checked when the command is known. */
export function readGlobals(argv: readonly string[]): Globals {
  const { values, tokens } = tokenize(argv, globalOptions);
  const name = tokens.find((token) => token.kind === 'positional');
  const isSet = (flag: keyof typeof globalOptions) => values[flag] !== undefined;
  return {
    flags: {
      help: isSet('help'),
      json: isSet('json'),
      verbose: isSet('verbose'),
      'no-color': isSet('no-color'),
      version: isSet('version'),
    },
    name: name?.value,
    rest: argv.filter((_, index) => index !== name?.index),
  };
}

export interface ParsedArguments {
  readonly positionals: string[];
  readonly values: Record<string, Value | Value[] | undefined>;
}

type Value = string | number | boolean;

/** Options and words of a command, checked against its declaration. Throws USAGE. */
export function parseArguments(argv: readonly string[], command: Command): ParsedArguments {
  const options: Options = { ...globalOptions, ...command.options };
  const { positionals, tokens } = tokenize(argv, options);
  const values = valuesOfNone(options);
  for (const token of tokens) {
    if (token.kind !== 'option') continue;
    const option = Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (!option) throw unknownOption(token.rawName, { command, options });
    const value = readValue(token, { command, option });
    const before = values[token.name];
    if (before !== undefined && !option.multiple && option.type !== 'boolean') {
      throw usage({ command, word: token.rawName, problem: 'is given twice', fix: 'give it once' });
    }
    values[token.name] = Array.isArray(before) ? [...before, value] : value;
  }
  checkCount(positionals, command);
  return { positionals, values };
}

function valuesOfNone(options: Options): ParsedArguments['values'] {
  const none = ({ type, multiple }: Option) => (multiple ? [] : type === 'boolean' ? false : undefined);
  return Object.fromEntries(Object.entries(options).map(([name, option]) => [name, none(option)]));
}

function tokenize(argv: readonly string[], options: Options) {
  const config = Object.entries(options).map(([name, { type, short, multiple = false }]) => {
    const kind = type === 'boolean' ? ('boolean' as const) : ('string' as const);
    return [name, short === undefined ? { type: kind, multiple } : { type: kind, multiple, short }] as const;
  });
  // Not strict: its errors know neither the nearest option nor our codes, so the tokens are checked here.
  return parseArgs({
    args: [...argv],
    options: Object.fromEntries(config),
    strict: false,
    tokens: true,
    allowPositionals: true,
  });
}

interface OptionToken {
  readonly rawName: string;
  readonly value?: string | undefined;
  readonly inlineValue?: boolean | undefined;
}

function readValue(token: OptionToken, { command, option }: { command: Command; option: Option }): Value {
  const { rawName: word, value, inlineValue } = token;
  const refuse = (problem: string, fix: string) => usage({ command, word, problem, fix });
  if (option.type === 'boolean') {
    if (value === undefined) return true;
    throw refuse(`takes no value, got ${JSON.stringify(value)}`, `write ${word}, or leave it out`);
  }
  const isNextOption = !inlineValue && value !== undefined && /^-./.test(value) && !isNumber(value);
  if (value === undefined || value === '' || isNextOption) {
    throw refuse('has no value', `write ${word} ${option.value ?? 'VALUE'}`);
  }
  if (option.type === 'string') return value;
  if (!isNumber(value)) throw refuse(`got ${JSON.stringify(value)}`, 'give a number');
  return Number(value);
}

function isNumber(text: string): boolean {
  return text.trim() !== '' && Number.isFinite(Number(text));
}

function checkCount(positionals: readonly string[], command: Command): void {
  const { least = 0, most = Number.POSITIVE_INFINITY } = command.positionals ?? {};
  const fix = `write ${callOf(command)}`;
  if (positionals.length < least) throw usage({ command, problem: `something is missing: ${command.usage}`, fix });
  const word = positionals[most];
  if (word !== undefined) throw usage({ command, word, problem: 'is one word too many', fix });
}

/** `attune train RECIPE [key=value …]` */
export function callOf({ name, usage: words }: Command): string {
  return ['attune', name, words].filter((word) => word !== '').join(' ');
}

function unknownOption(word: string, { command, options }: { command: Command; options: Options }): AttuneError {
  const names = Object.keys(options).map((name) => `--${name}`);
  const close = nearest(word, names);
  const help = `${callOf({ ...command, usage: '--help' })} lists the options`;
  const fix = close ? `did you mean ${close}? ${help}` : help;
  return usage({ command, word, problem: 'there is no such option', fix });
}

interface Misuse {
  readonly command?: Pick<Command, 'name'>;
  readonly word?: string;
  readonly problem: string;
  readonly fix: string;
}

/** An error of the command line, at a word of it. */
export function usage({ command, word, problem, fix }: Misuse): AttuneError {
  const where = ['attune', command?.name, word].filter(Boolean).join(' ');
  return new AttuneError({ code: 'USAGE', where, problem, fix });
}
