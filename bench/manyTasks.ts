/**
 * Ten tasks on one base, as ten adapters and as ten whole models: what they take on disk and in memory.
 *   npm run build && npx tsx bench/manyTasks.ts --model FOLDER [--tasks 10]
 * Every task is trained for real, for a few steps. Each way is then loaded and asked once in a process of its own.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import type { RecipeInput } from '../src/recipes/schema/index.ts';
import { type ProcessMemory, processMemory } from './memory.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    tasks: { type: 'string', default: '10' },
    /** In the process that measures: the folders that it opens, as JSON. */
    open: { type: 'string' },
  },
});
const built = new URL('../dist/index.js', import.meta.url).href;
type Way = 'adapters' | 'models';
const { load, train } = (await import(built)) as typeof import('../src/index.ts');

const methods: Readonly<Record<Way, RecipeInput['method']>> = {
  adapters: { name: 'lora', r: 8, lora_alpha: 16, target_modules: ['query', 'value'] },
  models: { name: 'full' },
};

const words = ['bread', 'rain', 'music', 'court', 'engine', 'garden', 'market', 'river', 'school', 'winter', 'doctor'];

/** Task n: whether a text is about its word or about the next one. */
function rowsOf(task: number): string {
  const [yes, no] = [words[task % words.length]!, words[(task + 1) % words.length]!];
  const rows = Array.from({ length: 32 }, (_, i) => ({
    text: `number ${i}: the ${i % 2 ? yes : no}`,
    label: i % 2 ? 'yes' : 'no',
  }));
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

async function trainTask(folder: string, way: Way, task: number): Promise<string> {
  const data = join(folder, `task-${task}.jsonl`);
  writeFileSync(data, rowsOf(task));
  const output = join(folder, `${way}-${task}`);
  await train({
    model: resolve(values.model!),
    task: 'text-classification',
    data: { train: data, validation: data },
    method: methods[way],
    training: { max_steps: 4, learning_rate: way === 'adapters' ? 5e-4 : 5e-5, seed: task },
    output_dir: output,
  });
  return output;
}

const bytesOf = (folder: string): number =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, { parentPath, name }) => sum + statSync(join(parentPath, name)).size, 0);

/** In a process of its own: opens all, asks each once, and says what it takes. */
async function measureOpened(folders: readonly string[]): Promise<void> {
  const opened = [];
  for (const folder of folders) opened.push(await load(folder));
  for (const model of opened) await model.predict('number 1: the bread');
  const answered = processMemory();
  for (let i = 0; i < 3; i++) {
    globalThis.gc!();
    await setTimeout(50);
  }
  console.log(JSON.stringify({ answered, collected: processMemory() }));
  for (const model of opened) await model.close();
}

function measureApart(folders: readonly string[]): {
  readonly answered: ProcessMemory;
  readonly collected: ProcessMemory;
} {
  const script = [process.argv[1]!, '--open', JSON.stringify(folders)];
  const flags = ['--expose-gc', '--import', 'tsx'];
  return JSON.parse(execFileSync(process.execPath, [...flags, ...script], { encoding: 'utf8' }));
}

const megabytes = (bytes: number): number => Number((bytes / 1e6).toFixed(1));

async function compare(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'attune-many-tasks-'));
  const tasks = Number(values.tasks);
  try {
    const none = measureApart([]);
    for (const way of ['adapters', 'models'] as const) {
      const runs: string[] = [];
      for (let task = 0; task < tasks; task++) runs.push(await trainTask(folder, way, task));
      const kept = runs.map((run) => join(run, way === 'adapters' ? 'adapter' : 'model'));
      const disk = kept.reduce((sum, path) => sum + bytesOf(path), way === 'adapters' ? bytesOf(values.model!) : 0);
      const [one, all] = [measureApart(kept.slice(0, 1)), measureApart(kept)];
      const row = {
        way,
        tasks,
        disk_megabytes: megabytes(disk),
        one_pss_megabytes: megabytes(one.answered.pss),
        pss_megabytes: megabytes(all.answered.pss),
        rss_megabytes: megabytes(all.answered.rss),
        collected_pss_megabytes: megabytes(all.collected.pss),
        empty_process_pss_megabytes: megabytes(none.answered.pss),
      };
      console.log(JSON.stringify(row));
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await (values.open === undefined ? compare() : measureOpened(JSON.parse(values.open)));
