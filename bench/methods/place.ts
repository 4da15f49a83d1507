/** A folder for runs of one task: its first rows, so that validation and training keep their own, and `attune train` over them. */
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
}

export function openPlace({ suite: name, model, data, threads }: Told) {
  const suite: Suite = suites[name as SuiteName];
  const folder = mkdtempSync(join(tmpdir(), 'attune-methods-'));
  const command = join(import.meta.dirname, '../../dist/cli/main.js');
  const firstRows = (name: 'train' | 'validation'): string => {
    const lines = readFileSync(resolve(data, suite.data, `${name}.jsonl`), 'utf8').split('\n', suite[name]);
    const path = join(folder, `${name}.jsonl`);
    writeFileSync(path, `${lines.join('\n')}\n`);
    return path;
  };
  const rows = { train: firstRows('train'), validation: firstRows('validation') };
  return {
    suite,
    /** Trains in a process of its own; `read` has the run's folder, which is gone afterwards. */
    async run<T>({ method, seed, training, evaluation }: Wish, read: (run: string) => T): Promise<T> {
      if (!Object.hasOwn(methods, method)) throw new Error(`no method '${method}' in cells.ts`);
      const output = `${method.replaceAll(/[^\w]+/g, '-')}-${seed}`;
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
