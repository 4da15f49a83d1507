/** A folder for runs of one task: its rows, so that validation and training keep their own, and `attune train` over them. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { methods, type Suite, type SuiteName, suites } from './cells.ts';

/** What every command over these tasks is told. */
export const placeOptions = {
  suite: { type: 'string' },
  model: { type: 'string' },
  data: { type: 'string', default: '../shared/data' },
  only: { type: 'string', multiple: true, default: Object.keys(methods) },
  threads: { type: 'string', default: String(availableParallelism()) },
} as const;

export interface Wish {
  readonly method: string;
  readonly seed: number;
  /** In place of what the task's recipe has. */
  readonly training?: Readonly<Record<string, unknown>>;
  readonly evaluation?: Readonly<Record<string, unknown>>;
}

export interface Told {
  readonly suite?: string | undefined;
  readonly model?: string | undefined;
  readonly data: string;
  readonly threads: string;
  /** Measures on rows of the training file that nothing learned from, and leaves those of validation alone. */
  readonly isChoosing?: boolean;
}

export function openPlace({ suite: name, model, data, threads, isChoosing = false }: Told) {
  const suite: Suite = suites[name as SuiteName];
  const folder = mkdtempSync(join(tmpdir(), 'attune-methods-'));
  const command = join(import.meta.dirname, '../../dist/cli/main.js');
  const linesOf = (file: string): string[] =>
    readFileSync(resolve(data, suite.data, file), 'utf8')
      .trimEnd()
      .split('\n');
  const keep = (file: string, lines: readonly string[]): string => {
    const path = join(folder, file);
    writeFileSync(path, `${lines.join('\n')}\n`);
    return path;
  };
  const learned = linesOf('train.jsonl');
  const measured = isChoosing ? learned.slice(suite.train) : linesOf('validation.jsonl');
  const rows = {
    train: keep('train.jsonl', learned.slice(0, suite.train)),
    validation: keep('validation.jsonl', measured.slice(0, suite.validation)),
  };
  let runs = 0;
  return {
    suite,
    /** Trains in a process of its own; `read` has the run's folder, which is gone afterwards. */
    async run<T>({ method, seed, training, evaluation }: Wish, read: (run: string) => T): Promise<T> {
      if (!Object.hasOwn(methods, method)) throw new Error(`no method '${method}' in cells.ts`);
      const output = `${method.replaceAll(/[^\w]+/g, '-')}-${seed}-${++runs}`;
      const recipe = {
        model: resolve(model!),
        task: suite.task,
        data: rows,
        method: methods[method],
        training: { ...suite.training, seed, ...training },
        threads: Number(threads),
        evaluation: { eval_strategy: 'epoch', ...evaluation },
        output_dir: output,
      };
      const path = join(folder, `${output}.json`);
      writeFileSync(path, JSON.stringify(recipe));
      const words = [command, 'train', path, '--json'];
      try {
        await promisify(execFile)(process.execPath, words, { cwd: folder, maxBuffer: 1 << 28 });
        return read(join(folder, output));
      } finally {
        rmSync(join(folder, output), { recursive: true, force: true });
      }
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true }),
  };
}

interface Queue<T> {
  readonly parallel: number;
  name(wish: T): string;
  each(wish: T): Promise<void>;
}

/** Some at once, one after another from the list until none is left; one that fails is named, and the others go on. */
export async function atOnce<T>(wishes: readonly T[], { parallel, name, each }: Queue<T>): Promise<void> {
  const left = [...wishes];
  const work = async (): Promise<void> => {
    for (let next = left.shift(); next; next = left.shift()) {
      try {
        await each(next);
      } catch (failure) {
        process.exitCode = 1;
        console.error(`${name(next)}: ${(failure as { readonly stdout?: string }).stdout?.slice(-500) ?? failure}`);
      }
    }
  };
  await Promise.all(Array.from({ length: parallel }, work));
}
