import { AttuneError, nearest } from '../errors/index.ts';
import { type Globals, parseArguments, readGlobals, usage } from './arguments.ts';
import type { Command, Commands, Options, Values } from './command.ts';
import { type ConsoleSetup, type OpenConsole, openConsole } from './console.ts';
import { commandHelp, commandHelpObject, generalHelp } from './help.ts';
import { type InterruptSetup, listenForInterrupts } from './interrupts.ts';

export const interrupted = 130;

export interface CommandLine extends Pick<ConsoleSetup, 'stdout' | 'stderr' | 'env'> {
  /** The words after `attune`. */
  readonly argv: readonly string[];
  readonly commands: Commands;
  readonly version: () => string;
  readonly signals: InterruptSetup['signals'];
  readonly exit: (code: number) => void;
}

/** Finds the command, runs it and says what went wrong. Returns the exit code and throws nothing. */
export async function runCommandLine(line: CommandLine): Promise<number> {
  const globals = readGlobals(line.argv);
  const { json, verbose, 'no-color': noColor } = globals.flags;
  const out = openConsole({ ...line, json, verbose, color: !noColor });
  const controller = new AbortController();
  const stopListening = listenForInterrupts({
    signals: line.signals,
    exit: () => line.exit(interrupted),
    stop: () => {
      out.note('stopping; Ctrl-C again to stop at once');
      controller.abort();
    },
  });
  try {
    return await withOutput(out, () => dispatch(globals, { line, out, signal: controller.signal }));
  } finally {
    stopListening();
  }
}

interface Context {
  readonly line: CommandLine;
  readonly out: OpenConsole;
  readonly signal: AbortSignal;
}

async function withOutput(out: OpenConsole, run: () => Promise<number>): Promise<number> {
  const code = await run();
  const failure = await out.close();
  if (!failure) return code;
  out.note(failure.message);
  return code === 0 ? failure.exitCode : code;
}

async function dispatch(globals: Globals, context: Context): Promise<number> {
  try {
    return await answer(globals, context);
  } catch (error) {
    if (context.signal.aborted && isAbort(error, context.signal)) return interrupted;
    context.out.error(error);
    return error instanceof AttuneError ? error.exitCode : 1;
  }
}

function isAbort(error: unknown, signal: AbortSignal): boolean {
  return error === signal.reason || (error instanceof Error && error.name === 'AbortError');
}

async function answer(globals: Globals, { line, out, signal }: Context): Promise<number> {
  const { flags, name, rest } = globals;
  if (flags.version) return showVersion(line.version(), out);
  if (name === undefined) return showHelp(globals, { line, out, signal });
  const command = await find(name, line.commands);
  if (flags.help) {
    out.text(commandHelp(command));
    out.object(commandHelpObject(command));
    return 0;
  }
  const { positionals, values } = parseArguments(rest, command);
  return command.run({ positionals, values: values as Values<Options>, json: flags.json, out, signal });
}

function showVersion(version: string, out: OpenConsole): number {
  out.text(version);
  out.object({ version });
  return 0;
}

/** Without a command: what there is, when that was asked for; else what is wrong. */
async function showHelp({ flags, rest }: Globals, { line, out }: Context): Promise<number> {
  const commands = await Promise.all(Object.values(line.commands).map(async (load) => (await load()).command));
  const general: Command = { name: '', summary: '', usage: '', options: {}, run: async () => 0 };
  parseArguments(rest, general);
  if (flags.help) {
    out.text(generalHelp(commands));
    out.object({ commands: commands.map(({ name, summary, usage: words }) => ({ name, summary, usage: words })) });
    return 0;
  }
  if (!out.json) out.note(`${generalHelp(commands)}\n`);
  throw usage({ problem: 'no command is given', fix: 'name one of the commands' });
}

async function find(name: string, commands: Commands): Promise<Command> {
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (load) return (await load()).command;
  const close = nearest(name, Object.keys(commands));
  const help = 'attune --help lists the commands';
  const fix = close ? `did you mean ${close}? ${help}` : help;
  throw usage({ word: name, problem: 'there is no such command', fix });
}
