/** What two runs have to have in common to be called the same: everything but what a clock or a folder's name decides. */
import { cpSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { contentsOf, readJson, readLines, type Started } from '../e2e/attune.ts';

/** Fields of run.json that say when, where and how long, or how often the run was resumed. */
const passing = [
  ...['timing', 'peak_memory_bytes', 'started_at', 'finished_at', 'resumed_at_steps', 'identity', 'run_id'],
  ...['artifact_bytes', 'machine', 'versions', 'data_sha256'],
];

export interface Outcome {
  readonly model: ReadonlyMap<string, string>;
  readonly curve: readonly string[];
  readonly record: Readonly<Record<string, unknown>>;
  readonly predictions: string;
}

/** The folder of a run that is over. */
export function outcomeOf(run: string): Outcome {
  const saved = existsSync(join(run, 'model')) ? 'model' : 'adapter';
  const contents = contentsOf(join(run, saved));
  const curve = readLines(run, 'metrics.jsonl').map(({ tokens_per_second: _, ...line }) => JSON.stringify(line));
  const { recipe, ...record } = readJson(run, 'run.json');
  const kept = Object.entries(record).filter(([name]) => !passing.includes(name));
  return {
    model: new Map([...contents].map(([path, bytes]) => [path.slice(run.length), bytes])),
    curve,
    record: { ...Object.fromEntries(kept), recipe: { ...(recipe as object), output_dir: '' } },
    // Without an evaluation there are none.
    predictions: existsSync(join(run, 'predictions.jsonl')) ? readFileSync(join(run, 'predictions.jsonl'), 'utf8') : '',
  };
}

/** Kills the program, and its training thread with it, as soon as something is true. Tells whether it came to that. */
export async function killWhen({ child, finished }: Started, isTime: () => boolean): Promise<boolean> {
  let isKilled = false;
  const timer = setInterval(() => {
    if (!isTime()) return;
    isKilled = child.kill('SIGKILL');
    clearInterval(timer);
  }, 1);
  const { code } = await finished.finally(() => clearInterval(timer));
  return isKilled && code === null;
}

/** Steps of the checkpoints in a run's folder, whole or not. */
export function checkpointsOf(run: string): number[] {
  if (!existsSync(join(run, 'checkpoints'))) return [];
  const names = readdirSync(join(run, 'checkpoints'));
  return names
    .flatMap(
      (name) =>
        name
          .match(/^step-(\d+)$/)
          ?.slice(1)
          .map(Number) ?? [],
    )
    .sort((a, b) => a - b);
}

/**
 * A copy of a finished run as a crash would have left it some time after this step: later checkpoints are not there
 * yet, everything else is newer than the checkpoint. The run needs a checkpoint of the step, and a higher one.
 */
export function brokenAfter(run: string, step: number, copy: string): void {
  cpSync(run, copy, { recursive: true });
  const later = checkpointsOf(copy).filter((one) => one > step);
  for (const one of later) rmSync(join(copy, `checkpoints/step-${one}`), { recursive: true });
  if (later.length === 0 || !checkpointsOf(copy).includes(step)) throw new Error(`no checkpoint of step ${step}`);
  const record = { ...readJson(copy, 'run.json'), status: 'running' };
  writeFileSync(join(copy, 'run.json'), JSON.stringify(record));
}
