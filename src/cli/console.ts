import pc from 'picocolors';
import { AttuneError } from '../errors/index.ts';
import { openProgress, type ProgressStream, type TrainingProgress } from './progress.ts';

export type Colors = ReturnType<typeof pc.createColors>;

/** Everything that a command says. With `--json` stdout holds JSON and nothing else. */
export interface Console {
  readonly json: boolean;
  /** For texts of `text`. They are plain when that goes to no terminal. */
  readonly colors: Colors;
  /** For texts of `note`. */
  readonly noteColors: Colors;
  /** A result for people. */
  text(text: string): void;
  /** A piece of a result for people, as it comes: no line ends by itself, and with `--json` nothing is shown. */
  part(text: string): void;
  /** A result for programs: one line of JSON, printed with `--json` only. */
  object(value: unknown): void;
  /** What happens meanwhile, for people; never a result. */
  note(text: string): void;
  error(error: unknown): void;
  progress(run: { readonly totalSteps: number; readonly firstStep?: number }): TrainingProgress;
  /** True when the reader of stdout is gone (`| head`): a command that only prints may end. */
  readonly isClosed: boolean;
  /** Resolves when stdout takes more; a command that prints without end waits for it. */
  drained(): Promise<void>;
}

export interface OpenConsole extends Console {
  /** Ends what is shown. Returns what kept stdout from being written, a full disk say. */
  close(): Promise<AttuneError | undefined>;
}

export interface ConsoleSetup {
  readonly stdout: ProgressStream;
  readonly stderr: ProgressStream;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly json: boolean;
  readonly color: boolean;
  readonly verbose: boolean;
}

/** The only place that prints. */
export function openConsole({ stdout, stderr, env, json, color, verbose }: ConsoleSetup): OpenConsole {
  const colorsOf = (stream: ProgressStream) => pc.createColors(color && wantsColors(stream, env));
  const [errors, results] = [openSink(stderr), openSink(stdout)];
  const [errorColors, resultColors] = [colorsOf(stderr), colorsOf(stdout)];
  let shown: TrainingProgress | undefined;
  const note = (text: string) => (shown ? shown.line(text) : errors.write(`${text}\n`));
  const stop = () => {
    shown?.stop();
    shown = undefined;
  };
  return {
    json,
    colors: json ? errorColors : resultColors,
    noteColors: errorColors,
    text: (text) => (json ? note(text) : results.write(`${text}\n`)),
    part: (text) => {
      if (!json) results.write(text);
    },
    object: (value) => json && results.write(`${JSON.stringify(value)}\n`),
    note,
    error(error) {
      stop();
      if (json) results.write(`${JSON.stringify({ error: errorObject(error) })}\n`);
      else errors.write(`${errorText(error, errorColors)}\n`);
      if (verbose) errors.write(`${errorColors.dim(origin(error))}\n`);
    },
    progress(run) {
      stop();
      const opened = openProgress({ ...run, stream: stderr });
      shown = opened;
      return { ...opened, stop };
    },
    get isClosed() {
      return results.failure !== undefined;
    },
    drained: () => results.drained(),
    async close() {
      stop();
      await Promise.all([results.drained(), errors.drained()]);
      return writeError(results.failure);
    },
  };
}

function wantsColors({ isTTY }: ProgressStream, env: ConsoleSetup['env']): boolean {
  if (env['NO_COLOR']) return false;
  const { FORCE_COLOR: force } = env;
  return Boolean(force && force !== '0') || (isTTY === true && env['TERM'] !== 'dumb');
}

interface Sink {
  write(text: string): void;
  drained(): Promise<void>;
  readonly failure: NodeJS.ErrnoException | undefined;
}

/** A stream whose reader may leave: what is written after that goes nowhere, which is no error. */
function openSink(stream: ProgressStream): Sink {
  let failure: NodeJS.ErrnoException | undefined;
  stream.on('error', (error: NodeJS.ErrnoException) => {
    failure ??= error;
  });
  return {
    write(text) {
      if (!failure) stream.write(text);
    },
    drained: () => new Promise((resolve) => (failure ? resolve() : stream.write('', () => resolve()))),
    get failure() {
      return failure;
    },
  };
}

function writeError(failure: NodeJS.ErrnoException | undefined): AttuneError | undefined {
  if (!failure || failure.code === 'EPIPE') return undefined;
  const fix = 'see that there is space where the output goes';
  return new AttuneError({ code: 'OUTPUT_WRITE', where: 'standard output', problem: failure.message, fix });
}

function errorObject(error: unknown): object {
  if (error instanceof AttuneError) {
    return { code: error.code, where: error.where, problem: error.problem, fix: error.fix };
  }
  return { code: 'INTERNAL', where: 'attune', problem: messageOf(error), fix: internalFix };
}

/** A mistake of ours: nothing the user wrote is wrong. */
const internalFix = 'run the command again with --verbose to see where it comes from';

function errorText(error: unknown, colors: Colors): string {
  const known = error instanceof AttuneError;
  const text = known ? error.message : `attune: ${messageOf(error)}\n  fix: ${internalFix}  [INTERNAL]`;
  const lines = text
    .split('\n')
    .map((line) => (line.startsWith('  fix: ') ? fixLine(line, colors) : colors.bold(line)));
  return `${colors.red('error')} ${lines.join('\n')}`;
}

function fixLine(line: string, colors: Colors): string {
  return line.replace(/^ {2}fix: (.*?)( {2}\[\w+\])?$/, (_, fix, code = '') => {
    return `  ${colors.green('fix:')} ${fix}${colors.dim(code)}`;
  });
}

/** Where in the program an error came from, and the error behind it. */
function origin(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  const cause = error.cause instanceof Error ? [`caused by ${error.cause.message}`, origin(error.cause)] : [];
  return [...frames, ...cause].join('\n');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
