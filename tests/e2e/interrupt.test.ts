/** Ctrl-C: once ends the run cleanly, whatever it is doing; twice ends the program. */
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  attune,
  errorOf,
  linesOf,
  objectOf,
  type Run,
  readJson,
  readLines,
  type Started,
  start,
  temporaryFolder,
  tensorsOf,
  train,
  writeRecipe,
} from './attune.ts';
import { reviews, tinyRecipe, writeReviews, writeRows } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };

beforeAll(() => {
  writeReviews(folder);
  writeRecipe(folder, tinyRecipe({ training: { num_train_epochs: 100_000, dropout: 0.1 } }));
  writeRows(folder, 'many.jsonl', reviews(20_000));
  writeRows(folder, 'more.jsonl', reviews(60_000));
});

/** Sends Ctrl-C and tells how long the program took to end. */
async function interrupt({ child, finished }: Started) {
  const at = performance.now();
  child.kill('SIGINT');
  const { code, stdout, stderr } = await finished;
  return { code, stdout, stderr, seconds: (performance.now() - at) / 1000 };
}

/** The run has ended as `stopped`, and its model answers. */
async function expectUsable(run: string) {
  expect(readJson(folder, run, 'run.json')).toMatchObject({ status: 'stopped', error: null });
  for (const [name, values] of tensorsOf(join(folder, run, 'model/model.safetensors'))) {
    expect(values.every(Number.isFinite), name).toBe(true);
  }
  const { code, stdout } = await attune(['predict', run, 'good', '--json'], place);
  expect(code, stdout).toBe(0);
  expect(linesOf(stdout)).toHaveLength(1);
}

describe('Ctrl-C while it trains', () => {
  it('ends within seconds with 130; the run says stopped, and its best model answers', async () => {
    const started = start(['train', 'recipe.json', '--json'], place);
    await started.told('step 24: validation');
    const stopped = await interrupt(started);
    expect(stopped.code).toBe(130);
    expect(stopped.seconds).toBeLessThan(5);
    expect(stopped.stderr).toContain('stopping; Ctrl-C again to stop at once');
    const run = objectOf<Run>(stopped);
    expect(run).toEqual(readJson(folder, 'run/run.json'));
    expect(run.steps).toBeLessThan(1_200_000);
    const best = readLines(folder, 'run/metrics.jsonl').find((line) => line.step === run.best_step && line.eval_loss);
    expect(run.metrics.accuracy).toBe(best!.eval_accuracy);
    await expectUsable('run');
  });

  it('keeps the last weights where nothing was evaluated', async () => {
    const words = ['train', 'recipe.json', 'eval_strategy=no', 'output_dir=unmeasured'];
    const started = start(words, place);
    await started.told('step 1/');
    const stopped = await interrupt(started);
    expect(stopped.code).toBe(130);
    expect(stopped.stdout).toContain('stopped in');
    await expectUsable('unmeasured');
    const { best_step: best, steps } = readJson<Run>(folder, 'unmeasured/run.json');
    expect(best).toBe(steps);
  });

  it('does not wait for the end of an evaluation', async () => {
    const words = ['train', 'recipe.json', 'data.validation=many.jsonl', 'output_dir=measuring'];
    const started = start([...words, 'per_device_eval_batch_size=1'], place);
    await started.told('are trained');
    const stopped = await interrupt(started);
    expect(stopped.code, stopped.stderr).toBe(130);
    expect(stopped.seconds).toBeLessThan(3);
    await expectUsable('measuring');
  });
});

describe('Ctrl-C before the first step', () => {
  it('ends with 130, and leaves no folder', async () => {
    const started = start(['train', 'recipe.json', 'data.train=more.jsonl', 'output_dir=early', '--json'], place);
    // The worker has started to read; nothing is printed until it is done.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const { code, stdout, seconds } = await interrupt(started);
    expect(code, stdout).toBe(130);
    expect(seconds).toBeLessThan(10); // it reads to the end first
    expect(existsSync(join(folder, 'early'))).toBe(false);
  });
});

describe('Ctrl-C while it answers', () => {
  it('ends with 130 after a whole line', async () => {
    await train(['recipe.json', 'num_train_epochs=1', 'output_dir=done'], place);
    const started = start(['predict', 'done', '--input', 'more.jsonl', '--json'], place);
    await once(started.child.stdout!, 'data');
    const { code, stdout, seconds } = await interrupt(started);
    expect(code).toBe(130);
    expect(seconds).toBeLessThan(5);
    expect(linesOf(stdout).length).toBeLessThan(60_000);
  });
});

describe('Ctrl-C twice', () => {
  it('ends at once, and the run is told from a finished one', async () => {
    // One step over all rows, which takes seconds.
    const long = ['data.train=many.jsonl', 'gradient_accumulation_steps=2500', 'output_dir=killed'];
    const started = start(['train', 'recipe.json', ...long], place);
    await started.told('rows to learn from');
    started.child.kill('SIGINT');
    await started.told('stopping');
    expect(started.child.exitCode).toBe(null);
    const stopped = await interrupt(started);
    expect(stopped.code).toBe(130);
    expect(stopped.seconds).toBeLessThan(2);
    expect(readJson(folder, 'killed/run.json').status).toBe('running');
    const asked = await attune(['predict', 'killed', 'good', '--json'], place);
    expect(asked.code).toBe(2);
    expect(errorOf(asked)).toMatchObject({
      code: 'RUN_INVALID',
      where: 'killed',
      problem: expect.stringContaining('running'),
    });
  });
});
