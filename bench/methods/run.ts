/**
 * Every method on one task: quality, what is trained, time, memory, size of the file. Goes on where it was interrupted.
 *   npm run build && npx tsx bench/methods/run.ts --suite sst2|gsm8k --model MODEL [--data ../shared/data]
 *     [--only NAME …] [--parallel 1] [--threads 2] [--results bench/methods/measured.json]
 * Each run is `attune train` in a process of its own; `parallel` says how many there are at once. `npm run docs:methods` makes the page.
 */
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { SuiteName } from './cells.ts';
import { atOnce, openPlace, placeOptions } from './place.ts';
import { type Cell, keyOf, readCells, writeCells } from './results.ts';

const { values } = parseArgs({
  options: {
    ...placeOptions,
    parallel: { type: 'string', default: '1' },
    results: { type: 'string', default: 'bench/methods/measured.json' },
  },
});
using place = openPlace(values);
const { suite } = place;
const suiteName = values.suite as SuiteName;

const measure = (method: string, seed: number): Promise<Cell> =>
  place.run({ method, seed }, (output) => {
    const run = JSON.parse(readFileSync(join(output, 'run.json'), 'utf8'));
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
  });

const cells = readCells(values.results);
const wanted = values.only
  .filter((method) => !Object.hasOwn(suite.without, method))
  .flatMap((method) => suite.seeds.map((seed) => ({ suite: suiteName, method, seed })))
  .filter((cell) => !cells.has(keyOf(cell)));

await atOnce(wanted, {
  parallel: Number(values.parallel),
  name: keyOf,
  async each({ method, seed }) {
    const cell = await measure(method, seed);
    cells.set(keyOf(cell), cell);
    writeCells(values.results, cells);
    console.log(JSON.stringify(cell));
  },
});
