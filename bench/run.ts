/** Attune and the Python reference side by side, in turns: see docs/benchmarks.md. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Figures } from './figures.ts';
import { readOptions, usage } from './options.ts';
import { bestOf, type CaseResult, loadNow, saveWorkload, settingsOf, type WorkloadResult } from './results.ts';
import { aligned, tableOf } from './table.ts';
import type { Case, Place, Workload } from './workload.ts';
import { workloads } from './workloads/index.ts';

/** Load beside the threads of what this program did in the minute before. */
const BUSY = 0.5;

async function measureCase({ name, sides }: Case, workload: Workload, rounds: number): Promise<CaseResult> {
  if (workload.warmUp) for (const side of sides) await side.measure();
  const measured = sides.map((): Figures[] => []);
  for (let round = 0; round < (workload.once ? 1 : rounds); round++) {
    for (const [index, side] of sides.entries()) measured[index]!.push(await side.measure());
  }
  return { name, sides: sides.map((side, index) => bestOf(side.name, workload.primary, measured[index]!)) };
}

async function measureWorkload(name: string, place: Place): Promise<WorkloadResult> {
  const workload = workloads[name]!;
  const loadBefore = loadNow();
  console.log(`\n${name}: ${workload.about}`);
  if (loadBefore > place.options.threads + BUSY)
    console.log(`  the machine is busy (load ${loadBefore}): rates say little`);
  const cases: CaseResult[] = [];
  for (const one of workload.cases(place)) {
    const result = await measureCase(one, workload, place.options.rounds);
    if (result.name) console.log(`  ${result.name}`);
    console.log(aligned(tableOf(result)));
    cases.push(result);
  }
  const measured = new Date().toISOString();
  return { measured, settings: settingsOf(place.options), loadBefore, cases };
}

async function main(words: readonly string[]): Promise<void> {
  if (words.includes('--help')) return console.log(`${usage}\nworkloads: ${Object.keys(workloads).join(', ')}`);
  const options = readOptions(words);
  const names = options.only.length > 0 ? options.only : Object.keys(workloads);
  const unknown = names.find((name) => !(name in workloads));
  if (unknown) throw new Error(`there is no workload '${unknown}': give one of ${Object.keys(workloads).join(', ')}`);
  const folder = mkdtempSync(join(tmpdir(), 'attune-bench-'));
  execFileSync('npm', ['run', '--silent', 'build'], { cwd: join(import.meta.dirname, '..'), stdio: 'inherit' });
  try {
    for (const name of names) {
      // One that cannot run here keeps the others from nothing.
      const result = await measureWorkload(name, { options, folder }).catch((failure: Error) => {
        console.error(`  failed: ${failure.message}`);
        process.exitCode = 1;
      });
      if (result && options.save) console.log(`  kept in ${saveWorkload(name, result, options)}`);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

await main(process.argv.slice(2));
