/** Outputs of frozen layers that are computed once: the same run as without, wherever they lie. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { attune, readJson, readLines, temporaryFolder, tensorsOf, train, writeRecipe } from './attune.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
const trained = (run: string) => tensorsOf(join(folder, run, 'adapter/trained.safetensors'));

interface Line {
  readonly loss?: number;
  readonly eval_loss?: number;
}
const losses = (run: string) =>
  readLines<Line>(folder, run, 'metrics.jsonl').flatMap(({ loss, eval_loss }) => loss ?? eval_loss ?? []);

function expectSameRun(run: string, other: string): void {
  const expected = losses(other);
  expect(losses(run)).toHaveLength(expected.length);
  losses(run).forEach((loss, i) => {
    expect(Math.abs(loss / expected[i]! - 1)).toBeLessThan(1e-5);
  });
  for (const [name, values] of trained(run)) {
    const difference = Math.max(...values.map((value, i) => Math.abs(value - trained(other).get(name)![i]!)));
    expect(difference, name).toBeLessThan(1e-3);
  }
}

beforeAll(() => {
  writeReviews(folder);
  // Dropout stays on: above the frozen layers it is drawn as ever.
  const training = { dropout: 'auto', num_train_epochs: 2, learning_rate: 0.001 };
  writeRecipe(folder, tinyRecipe({ method: { name: 'freeze', trainable: 1 }, training }));
});

const timingOf = (run: string) =>
  readJson<{ timing: { cache_seconds: number; train_seconds: number } }>(folder, `${run}/run.json`).timing;

describe('frozen layers', () => {
  it('teach the same whether they are computed once or at every step', async () => {
    await train(['recipe.json', 'feature_cache=off', 'output_dir=every-step'], place);
    await train(['recipe.json', 'output_dir=memory'], place);
    expectSameRun('memory', 'every-step');
    expect(timingOf('every-step').cache_seconds).toBe(0);
    expect(timingOf('memory').cache_seconds).toBeGreaterThan(0);
    expect(timingOf('memory').cache_seconds).toBeLessThan(timingOf('memory').train_seconds);
  });

  it('teach the same from the disk, and leave nothing there', async () => {
    const run = await train(['recipe.json', 'feature_cache=0', 'output_dir=disk'], place);
    expectSameRun('disk', 'memory');
    expect(run.metrics).toEqual(readJson<{ metrics: object }>(folder, 'memory/run.json').metrics);
    expect(readdirSync(join(folder, 'disk')).sort()).toEqual(readdirSync(join(folder, 'every-step')).sort());
  });

  it('are told of, and a model that was trained above them answers as a whole one', async () => {
    const finished = await attune(['train', 'recipe.json', 'method.trainable=head', 'output_dir=head'], place);
    expect(finished.code).toBe(0);
    expect(finished.stderr).toMatch(/features of the frozen layers: 96 rows, 0\.0 MB/);
    const run = readJson<{ metrics: object }>(folder, 'head/run.json');
    const evaluated = await attune(['eval', 'head', '--json'], place);
    const { metrics } = JSON.parse(evaluated.stdout) as { metrics: Record<string, number> };
    for (const [name, value] of Object.entries(run.metrics)) expect(metrics[name], name).toBeCloseTo(value, 5);
  });

  it('are computed as far as they are needed where the run sees only a part of the rows', async () => {
    const words = ['max_steps=1', 'per_device_train_batch_size=2', 'output_dir=part'];
    const run = await train(['recipe.json', ...words], place);
    expect(run.steps).toBe(1);
    expect(losses('part').every(Number.isFinite)).toBe(true);
  });

  it('keep their dropout where a rate is asked for, and then nothing is kept', async () => {
    const finished = await attune(['train', 'recipe.json', 'dropout=0.1', 'output_dir=dropped'], place);
    expect(finished.stderr).not.toMatch(/features/);
    expect(losses('dropped')).not.toEqual(losses('every-step'));
  });
});
