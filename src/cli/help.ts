import { callOf, globalOptions } from './arguments.ts';
import type { Command, Option, Options } from './command.ts';

export function commandHelp(command: Command): string {
  const own = Object.keys(command.options).length > 0 ? `\n\nOptions\n${optionLines(command.options)}` : '';
  return `${callOf(command)}\n\n${command.summary}${own}\n\nOptions of every command\n${optionLines(globalOptions)}`;
}

export function generalHelp(commands: readonly Command[]): string {
  const rows = commands.map(({ name, summary }): [string, string] => [name, summary]);
  const list = rows.length > 0 ? `\n\nCommands\n${columns(rows)}` : '';
  return `attune COMMAND\n\nFine-tunes pretrained transformer models.${list}\n\nOptions\n${optionLines(globalOptions)}
\nattune COMMAND --help shows what a command takes.`;
}

/** The same for programs. */
export function commandHelpObject({ name, summary, usage, options }: Command): object {
  return { name, summary, usage, options: { ...options, ...globalOptions } };
}

function optionLines(options: Options): string {
  return columns(Object.entries(options).map(([name, option]) => [optionWord(name, option), option.help]));
}

/** `--data FILE` */
export function optionWord(name: string, { short, type, value }: Option): string {
  const word = type === 'boolean' ? `--${name}` : `--${name} ${value ?? (type === 'number' ? 'N' : 'VALUE')}`;
  return short ? `-${short}, ${word}` : word;
}

function columns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
}
