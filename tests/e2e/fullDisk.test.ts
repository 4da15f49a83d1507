/** A disk without room, which is a small memory disk here: a clear end, nothing half written, what was good is kept. */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  attune,
  errorOf,
  type Finished,
  readJson,
  readLines,
  temporaryFolder,
  tensorsOf,
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

/** The error, which has to be that of a full disk, and run.json's as well. */
function expectFull(finished: Finished, run: string): void {
  expect(finished.code, finished.stdout).toBe(1);
  const error = errorOf(finished);
  expect(error).toEqual({
    code: 'OUTPUT_WRITE',
    where: run,
    problem: 'the disk is full',
    fix: 'make room, or choose an output_dir on another disk',
  });
  expect(readJson(folder, run, 'run.json')).toMatchObject({ status: 'failed', error });
}

const trainInto = (output: string, ...words: string[]): Promise<Finished> =>
  attune(['train', 'recipe.json', `output_dir=${output}`, ...words, '--json'], place);
const namesIn = (run: string): string[] => readdirSync(join(folder, run)).sort();

describe.skipIf(!canMount)('a disk that is full', () => {
  it('when the run begins: run.json says so in the room that it has', async () => {
    disk('page', 4);
    expectFull(await trainInto('page/run'), 'page/run');
    expect(readFileSync(join(folder, 'page/run/run.json'), 'utf8')).toMatch(/^\{\n.*\n\}\n$/s);
    expect(namesIn('page/run').filter((name) => !['run.json', 'metrics.jsonl'].includes(name))).toEqual([]);
  });

  it('when nothing fits at all: no run is left that a second try would stumble over', async () => {
    disk('none', 4);
    execFileSync('sh', ['-c', `head -c 4096 /dev/zero > ${join(folder, 'none/full')}`]);
    const finished = await trainInto('none/run');
    expect(finished.code).toBe(1);
    expect(errorOf(finished)).toMatchObject({ code: 'OUTPUT_WRITE', problem: 'the disk is full' });
    expect(existsSync(join(folder, 'none/run'))).toBe(false);
  });

  it('when the first model is saved: there is none, and the report tells', async () => {
    disk('small', 64);
    expectFull(await trainInto('small/run'), 'small/run');
    expect(namesIn('small/run')).toEqual(['metrics.jsonl', 'report.html', 'run.json']);
    expect(readFileSync(join(folder, 'small/run/report.html'), 'utf8')).toContain('the disk is full');
  });

  it('when a better model is saved: the one before stays whole, and answers', async () => {
    disk('medium', 200);
    const words = ['metric_for_best_model=loss', 'learning_rate=0.001'];
    expectFull(await trainInto('medium/run', ...words), 'medium/run');
    expect(readJson(folder, 'medium/run/run.json')).toMatchObject({ best_step: 12, steps: 24 });
    expect(namesIn('medium/run').filter((name) => name.startsWith('.'))).toEqual([]);
    for (const [name, values] of tensorsOf(join(folder, 'medium/run/model/model.safetensors'))) {
      expect(values.every(Number.isFinite), name).toBe(true);
    }
    expect((await attune(['predict', 'medium/run/model', 'good'], place)).code).toBe(0);
  });

  it('when the log grows: its lines are whole', async () => {
    disk('log', 20);
    const words = ['eval_strategy=no', 'logging_steps=1', 'max_steps=1000'];
    expectFull(await trainInto('log/run', ...words), 'log/run');
    expect(readLines(folder, 'log/run/metrics.jsonl').length).toBeGreaterThan(20);
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
