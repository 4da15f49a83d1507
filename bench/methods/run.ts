/**
 * Every method on one task: quality, what is trained, time, memory, size of the file. Goes on where it was interrupted.
 *   npm run build && npx tsx bench/methods/run.ts --suite sst2|gsm8k --model MODEL [--data ../shared/data]
 *     [--only NAME …] [--parallel 1] [--threads 2] [--results bench/methods/measured.json]
 * Each run is `attune train` in a process of its own; `parallel` says how many there are at once. `npm run docs:methods` makes the page.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { methods, type Suite, type SuiteName, suites } from './cells.ts';
import { type Cell, keyOf, readCells, writeCells } from './results.ts';

const { values } = parseArgs({
  options: {
    suite: { type: 'string' },
    model: { type: 'string' },
    data: { type: 'string', default: '../shared/data' },
    only: { type: 'string', multiple: true, default: Object.keys(methods) },
    parallel: { type: 'string', default: '1' },
    threads: { type: 'string', default: String(availableParallelism()) },
    results: { type: 'string', default: 'bench/methods/measured.json' },
  },
});
const suiteName = values.suite as SuiteName;
const suite: Suite = suites[suiteName];
const command = join(import.meta.dirname, '../../dist/cli/main.js');
const folder = mkdtempSync(join(tmpdir(), 'attune-methods-'));

/** The first rows of a file, so that validation and training keep their own. */
function firstRows(name: 'train' | 'validation'): string {
  const lines = readFileSync(resolve(values.data, suite.data, `${name}.jsonl`), 'utf8').split('\n', suite[name]);
  const path = join(folder, `${name}.jsonl`);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}
const data = { train: firstRows('train'), validation: firstRows('validation') };

async function measure(method: string, seed: number): Promise<Cell> {
  const output = `${method.replaceAll(/[^\w]+/g, '-')}-${seed}`;
  const recipe = {
    model: resolve(values.model!),
    task: suite.task,
    data,
    method: methods[method],
    training: { ...suite.training, seed },
    threads: Number(values.threads),
    evaluation: { eval_strategy: 'epoch' },
    output_dir: output,
  };
  const path = join(folder, `${output}.json`);
  writeFileSync(path, JSON.stringify(recipe));
  await promisify(execFile)(process.execPath, [command, 'train', path, '--json'], { cwd: folder, maxBuffer: 1 << 28 });
  const run = JSON.parse(readFileSync(join(folder, output, 'run.json'), 'utf8'));
  rmSync(join(folder, output), { recursive: true });
  return {
    suite: suiteName,
    method,
    seed,
    quality: run.metrics[suite.metric],
    trainableParameters: run.trainable_parameters,
    totalParameters: run.total_parameters,
    trainSeconds: run.timing.train_seconds,
    peakBytes: run.peak_memory_bytes,
    fileBytes: run.artifact_bytes,
    machine: { processor: cpus()[0]!.model, threads: Number(values.threads), atOnce: Number(values.parallel) },
  };
}

const cells = readCells(values.results);
const wanted = values.only
  .filter((method) => !Object.hasOwn(suite.without, method))
  .flatMap((method) => suite.seeds.map((seed) => ({ suite: suiteName, method, seed })))
  .filter((cell) => !cells.has(keyOf(cell)));

/** Takes one run after another from the list, until none is left. */
async function work(): Promise<void> {
  for (let next = wanted.shift(); next; next = wanted.shift()) {
    try {
      const cell = await measure(next.method, next.seed);
      cells.set(keyOf(cell), cell);
      writeCells(values.results, cells);
      console.log(JSON.stringify(cell));
    } catch (failure) {
      process.exitCode = 1;
      console.error(`${keyOf(next)}: ${(failure as { readonly stdout?: string }).stdout?.slice(-500) ?? failure}`);
    }
  }
}
await Promise.all(Array.from({ length: Number(values.parallel) }, work));
rmSync(folder, { recursive: true });
