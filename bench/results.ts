/** What was measured: rounds become one result, results are kept as bench/results/COMMIT.json. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { join } from 'node:path';
import { type FigureName, type Figures, isBetter } from './figures.ts';
import type { Options } from './options.ts';

export interface SideResult {
  readonly name: string;
  /** Of the best round. */
  readonly figures: Figures;
  /** The primary figure of every round. */
  readonly rounds: readonly number[];
}

export interface CaseResult {
  readonly name: string;
  readonly sides: readonly SideResult[];
}

export interface WorkloadResult {
  readonly measured: string;
  readonly settings: Readonly<Record<string, number | null>>;
  /** Mean of the minute before it began, the build or the workload before included. */
  readonly loadBefore: number;
  readonly cases: readonly CaseResult[];
}

export interface Results {
  readonly commit: string;
  readonly machine: { readonly processor: string; readonly cores: number; readonly node: string };
  readonly reference: Readonly<Record<string, string>>;
  readonly workloads: Readonly<Record<string, WorkloadResult>>;
}

export function bestOf(name: string, primary: FigureName, rounds: readonly Figures[]): SideResult {
  const of = (one: Figures): number => one[primary]!;
  const best = rounds.reduce((a, b) => (isBetter(primary, of(b), of(a)) ? b : a));
  return { name, figures: best, rounds: rounds.map(of) };
}

const root = join(import.meta.dirname, '..');
const folder = join(root, 'bench/results');

/** Short name of the commit; what was not committed makes it `…-dirty`, which git ignores here. */
const commitName = (): string =>
  execFileSync('git', ['describe', '--always', '--dirty', '--exclude=*'], { cwd: root, encoding: 'utf8' }).trim();

export const settingsOf = ({ rounds, rows, batch, steps, threads, seed, dropout }: Options) => ({
  ...{ rounds, rows, batch, steps, threads, seed },
  dropout: dropout ?? null,
});

export const loadNow = (): number => Math.round(loadavg()[0]! * 100) / 100;

/** Adds a workload to the file of the commit; returns the file's path. */
export function saveWorkload(name: string, result: WorkloadResult, { python }: Options): string {
  const commit = commitName();
  const path = join(folder, `${commit}.json`);
  mkdirSync(folder, { recursive: true });
  const before = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Results).workloads : {};
  const results: Results = {
    commit,
    machine: { processor: cpus()[0]?.model ?? 'unknown', cores: cpus().length, node: process.version },
    reference: versionsOf(python),
    workloads: { ...before, [name]: result },
  };
  writeFileSync(path, `${JSON.stringify(results, null, 2)}\n`);
  return path;
}

function versionsOf(python: string): Record<string, string> {
  const program =
    'import json\nfrom importlib.metadata import version\n' +
    'print(json.dumps({name: version(name) for name in ("torch", "transformers", "peft")}))';
  return JSON.parse(execFileSync(python, ['-c', program], { encoding: 'utf8' }));
}

/** Every file of committed trees. */
export function readResults(): Results[] {
  const names = existsSync(folder) ? readdirSync(folder) : [];
  return names
    .filter((name) => name.endsWith('.json') && !name.endsWith('-dirty.json'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Results);
}
