/** A run that diverges is stopped by a guard, and leaves no model that cannot answer. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { attune, errorOf, type Finished, readJson, temporaryFolder, tensorsOf, writeRecipe } from './attune.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
beforeAll(() => {
  writeReviews(folder);
  writeRecipe(folder, tinyRecipe());
});

const trainWith = (output: string, ...words: string[]): Promise<Finished> =>
  attune(['train', 'recipe.json', ...words, `output_dir=${output}`, '--json'], place);

/** Stopped by the guard, which run.json tells as well, and what it measured so far. */
function expectGuarded(finished: Finished, output: string): void {
  expect(finished.code, finished.stdout).toBe(3);
  const error = errorOf(finished);
  expect(error).toMatchObject({
    code: 'TRAINING_NOT_FINITE',
    fix: expect.stringContaining('lower training.learning_rate'),
  });
  expect(readJson(folder, output, 'run.json')).toMatchObject({
    status: 'stopped',
    error,
    timing: { train_seconds: expect.any(Number) },
    peak_memory_bytes: expect.any(Number),
  });
}

const weightsOf = (output: string) => join(folder, output, 'model/model.safetensors');

describe('a learning rate that is far too high', () => {
  it('ends the run with 3 and the step; there is no model to answer', async () => {
    const finished = await trainWith('high', 'learning_rate=1e6');
    expectGuarded(finished, 'high');
    expect(errorOf(finished).where).toMatch(/^step [2-9]$/);
    expect(readJson(folder, 'high/run.json')).toMatchObject({ metrics: null, best_step: null, artifact_bytes: null });
    expect(existsSync(join(folder, 'high/model'))).toBe(false);
    const asked = await attune(['predict', 'high', 'good', '--json'], place);
    expect(asked.code).toBe(2);
    expect(errorOf(asked)).toMatchObject({ code: 'RUN_INVALID', problem: expect.stringContaining('no model') });
  });

  it('is seen in the evaluation too', async () => {
    const finished = await trainWith('measured', 'learning_rate=1e25', 'max_steps=1');
    expectGuarded(finished, 'measured');
    expect(errorOf(finished).where).toBe('evaluation after step 1');
    expect(existsSync(weightsOf('measured'))).toBe(false);
  });

  it('is seen in the last weights where nothing is evaluated', async () => {
    const finished = await trainWith('last', 'learning_rate=1e39', 'max_steps=1', 'eval_strategy=no');
    expectGuarded(finished, 'last');
    expect(existsSync(weightsOf('last'))).toBe(false);
  });

  it('keeps the best model from before it went wrong', async () => {
    // A warm-up that is small at first: the first evaluation still finds a model that answers.
    const words = ['learning_rate=1e12', 'warmup_steps=48', 'eval_steps=1', 'lr_scheduler_type=linear'];
    const finished = await trainWith('best', ...words);
    expectGuarded(finished, 'best');
    const { best_step: best, metrics } = readJson(folder, 'best/run.json');
    expect(best).toBe(1);
    expect(metrics).toMatchObject({ loss: expect.any(Number) });
    for (const [name, values] of tensorsOf(weightsOf('best'))) expect(values.every(Number.isFinite), name).toBe(true);
    expect((await attune(['predict', 'best', 'good'], place)).code).toBe(0);
  });
});
