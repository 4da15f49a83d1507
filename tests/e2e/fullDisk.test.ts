/** A disk without room, which is a small memory disk here: a clear end, nothing half written, what was good is kept. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  attune,
  errorOf,
  type Finished,
  readJson,
  readLines,
  start,
  temporaryFolder,
  train,
  writeRecipe,
} from './attune.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
const mounted: string[] = [];

/** Undefined where this machine lets nobody make one. */
function disk(name: string, kibibytes: number): string | undefined {
  const path = join(folder, name);
  mkdirSync(path);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  mounted.push(path);
  return path;
}

const canMount = disk('probe', 4) !== undefined;
if (!canMount) console.warn('SKIPPED: a full disk (mounting a memory disk takes root on Linux)');
afterAll(() => {
  for (const path of mounted) execFileSync('umount', [path]);
});

beforeAll(() => {
  writeReviews(folder);
  writeRecipe(folder, tinyRecipe());
});

/** Another program takes the room while the run goes on, all but some bytes of it. */
async function fillMeanwhile(name: string, left: number, ...words: string[]): Promise<Finished> {
  const path = disk(name, 16_384)!;
  const started = start(['train', 'recipe.json', ...words, `output_dir=${name}/run`, '--json'], place);
  await started.told('rows to learn from');
  const { bavail, bsize } = statfsSync(path);
  const blocks = Math.ceil((bavail * bsize - left) / 4096);
  spawnSync('dd', ['if=/dev/zero', `of=${join(path, 'filler')}`, 'bs=4096', `count=${blocks}`]);
  return await started.finished;
}

/** The error tells to make room, and run.json has it too. */
function expectFull(finished: Finished, run: string): void {
  expect(finished.code, finished.stdout).toBe(1);
  const error = errorOf(finished);
  expect(error).toMatchObject({ where: run, fix: expect.stringContaining('make room') });
  expect(['OUTPUT_WRITE', 'DISK_SPACE']).toContain(error.code);
  expect(readJson(folder, run, 'run.json')).toMatchObject({ status: 'failed', error });
}

const namesIn = (run: string): string[] => readdirSync(join(folder, run)).sort();

describe.skipIf(!canMount)('a disk that is full', () => {
  it('before the first model is saved: there is none, and the report tells', async () => {
    const words = ['num_train_epochs=4000', 'eval_steps=400', 'save_strategy=no', 'logging_steps=100000'];
    const finished = await fillMeanwhile('small', 65_536, ...words);
    expectFull(finished, 'small/run');
    expect(namesIn('small/run').filter((name) => name !== 'metrics.jsonl')).toEqual(['report.html', 'run.json']);
    expect(readFileSync(join(folder, 'small/run/report.html'), 'utf8')).toContain(errorOf(finished).problem);
  });

  it('when the log grows: its lines are whole', async () => {
    const words = ['eval_strategy=epoch', '~evaluation.eval_steps', 'logging_steps=1', 'max_steps=100000'];
    expectFull(await fillMeanwhile('log', 0, ...words, 'save_strategy=no'), 'log/run');
    expect(readFileSync(join(folder, 'log/run/metrics.jsonl'), 'utf8')).toMatch(/\n$/);
    expect(readLines(folder, 'log/run/metrics.jsonl').length).toBeGreaterThan(0);
  });

  it('when a model is merged: nothing is left', async () => {
    await train(['recipe.json', 'max_steps=2'], place);
    const target = disk('merged', 64)!;
    const finished = await attune(['merge', 'run', '--output', 'merged/model', '--json'], place);
    expect(finished.code).toBe(1);
    expect(errorOf(finished)).toMatchObject({
      code: 'OUTPUT_WRITE',
      where: join(target, 'model'),
      problem: 'the disk is full',
      fix: expect.stringContaining('make room'),
    });
    expect(readdirSync(target)).toEqual([]);
  });
});
