/** How each side is called: Attune as its user calls it, the reference as a script of bench/reference. */
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Figures } from './figures.ts';
import { type Finished, runProcess } from './process.ts';
import type { Place } from './workload.ts';

const command = join(import.meta.dirname, '../dist/cli/main.js');

export interface AttuneRun extends Finished {
  /** Lines of metrics.jsonl. */
  readonly log: readonly Readonly<Record<string, number>>[];
}

export interface Recipe {
  readonly data: object;
  readonly training: object;
  readonly [key: string]: unknown;
}

/** `attune train recipe.json --json` in a process and a folder of its own. */
export async function trainAttune(recipe: Recipe, { options, folder }: Place, mark?: string): Promise<AttuneRun> {
  const here = mkdtempSync(join(folder, 'attune-'));
  const whole = { model: options.model, task: 'text-classification', threads: options.threads, output_dir: 'run' };
  const dropout = options.dropout === undefined ? {} : { dropout: options.dropout };
  const shared = { per_device_train_batch_size: options.batch, seed: options.seed, ...dropout };
  const training = { ...shared, ...recipe.training };
  writeFileSync(join(here, 'recipe.json'), JSON.stringify({ ...whole, ...recipe, training }));
  const finished = await runProcess(process.execPath, [command, 'train', 'recipe.json', '--json'], { cwd: here, mark });
  const lines = readFileSync(join(here, 'run/metrics.jsonl'), 'utf8').trim().split('\n');
  return { ...finished, log: lines.map((line) => JSON.parse(line)) };
}

type Given = Readonly<Record<string, string | number | boolean | undefined>>;

/** What every script takes that opens the model. */
export const modelOptions = ({ options: { model, threads, dropout } }: Place): Given => ({ model, threads, dropout });

/** A script of bench/reference; options as `--name value`, those that are `true` alone. */
export function runReference(script: string, given: Given, { options }: Place, mark?: string): Promise<Finished> {
  const words = Object.entries(given).flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    return value === true ? [`--${name}`] : [`--${name}`, `${value}`];
  });
  return runProcess(options.python, [join(import.meta.dirname, 'reference', script), ...words], { mark });
}

/** A script of bench/attune, for what the command line does not show. */
export async function runAttuneScript(script: string, { options }: Place): Promise<Figures> {
  const words = ['--import', 'tsx', join(import.meta.dirname, 'attune', script), `${options.threads}`];
  const { object } = await runProcess(process.execPath, words, { cwd: join(import.meta.dirname, '..') });
  return object as Figures;
}
