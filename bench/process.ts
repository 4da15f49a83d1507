/** Runs one side in a process of its own, and measures every side from outside with the same instruments. */
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Finished {
  /** The last line of stdout. */
  readonly object: Readonly<Record<string, unknown>>;
  readonly wallSeconds: number;
  /** Largest resident size of the process; undefined where there is no /proc. */
  readonly peakBytes: number | undefined;
  /** From the start of the process to the first line that holds `mark`. */
  readonly markSeconds: number | undefined;
}

export interface Running {
  readonly cwd?: string;
  readonly mark?: string;
}

const POLL_MS = 20;
const KIBIBYTE = 1024;

export function runProcess(program: string, words: readonly string[], { cwd, mark }: Running = {}): Promise<Finished> {
  const started = performance.now();
  const seconds = (): number => (performance.now() - started) / 1000;
  // Neither side asks the network whether its model is the newest.
  const child = spawn(program, words, { cwd, env: { ...process.env, HF_HUB_OFFLINE: '1', NO_COLOR: '1' } });
  const peak = watchPeak(child);
  let [stdout, stderr, markSeconds] = ['', '', undefined as number | undefined];
  const look = (): void => {
    if (mark !== undefined && (stdout.includes(mark) || stderr.includes(mark))) markSeconds ??= seconds();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
    look();
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      const wallSeconds = seconds();
      const last = stdout.trim().split('\n').at(-1) ?? '';
      if (code !== 0) reject(new Error(`${program} ${words.slice(0, 2).join(' ')}: ${failureOf(last, stderr)}`));
      else resolve({ object: JSON.parse(last), wallSeconds, peakBytes: peak(), markSeconds });
    });
  });
}

/** `VmHWM` only grows, so that looking now and then is enough. */
function watchPeak({ pid }: ChildProcess): () => number | undefined {
  let peak: number | undefined;
  const timer = setInterval(() => {
    try {
      const [, kibibytes] = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8')) ?? [];
      if (kibibytes) peak = Number(kibibytes) * KIBIBYTE;
    } catch {
      clearInterval(timer); // it has ended, or there is no /proc
    }
  }, POLL_MS);
  return () => {
    clearInterval(timer);
    return peak;
  };
}

function failureOf(last: string, stderr: string): string {
  try {
    const { code, problem } = JSON.parse(last).error;
    return `${code}: ${problem}`;
  } catch {
    return stderr.trim().split('\n').slice(-3).join(' | ');
  }
}
