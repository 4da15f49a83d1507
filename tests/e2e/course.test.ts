/** How long a run goes on, when it is measured, which step it keeps, and where its head comes from. */
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { attune, objectOf, type Run, readLines, temporaryFolder, tinyModel, train, writeRecipe } from './attune.ts';
import { tinyRecipe, twoLabels, writeReviews } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
/** Steps after which the validation data was evaluated. */
const evaluated = (run: string) =>
  readLines<{ step: number; eval_loss?: number }>(folder, run, 'metrics.jsonl')
    .filter((line) => line.eval_loss !== undefined)
    .map(({ step }) => step);

beforeAll(() => {
  writeReviews(folder);
  writeRecipe(folder, tinyRecipe());
});

describe('the length of a run', () => {
  it('is max_steps, within an epoch or over several', async () => {
    expect(await train(['recipe.json', 'max_steps=5', 'output_dir=five'], place)).toMatchObject({ steps: 5 });
    expect(evaluated('five')).toEqual([5]);
    expect(await train(['recipe.json', 'max_steps=27', 'output_dir=more'], place)).toMatchObject({
      steps: 27,
      epochs: 2.25,
    });
    expect(evaluated('more')).toEqual([12, 24, 27]);
  });

  it('may be a part of an epoch', async () => {
    const run = await train(['recipe.json', 'num_train_epochs=1.5', 'output_dir=part'], place);
    expect(run).toMatchObject({ steps: 18, epochs: 1.5 });
    expect(evaluated('part')).toEqual([12, 18]);
  });

  it('ends early when nothing gets better, with the best weights', async () => {
    const words = ['recipe.json', 'early_stopping_patience=2', 'num_train_epochs=200', 'output_dir=patient'];
    const finished = await attune(['train', ...words, '--json'], place);
    expect(finished.code, finished.stderr).toBe(0);
    expect(finished.stderr).toContain('no better accuracy in 2 evaluations: stopped early');
    const run = objectOf<Run>(finished);
    expect(run.status).toBe('succeeded');
    expect(run.steps).toBeLessThan(2400);
    expect(run.steps).toBe(run.best_step + 24);
    // What it kept is what it had at that step: a run that ends there with the same plan saves the same.
    const evaluation = await attune(['eval', 'patient', '--json'], place);
    expect(objectOf<Run>(evaluation).metrics.loss).toBeCloseTo(run.metrics.loss!, 5);
  });

  it('keeps the step that is best by metric_for_best_model', async () => {
    const words = ['recipe.json', 'metric_for_best_model=loss', 'eval_steps=3', 'output_dir=lowest'];
    const run = await train(words, place);
    const lines = readLines<{ step: number; eval_loss?: number }>(folder, 'lowest/metrics.jsonl');
    const losses = lines.filter((line) => line.eval_loss !== undefined);
    const lowest = Math.min(...losses.map((line) => line.eval_loss!));
    expect(run.best_step).toBe(losses.find((line) => line.eval_loss === lowest)!.step);
    expect(run.metrics.loss).toBe(lowest);
  });
});

describe('evaluation', () => {
  it('comes every eval_steps and after the last step', async () => {
    await train(['recipe.json', 'eval_steps=5', 'max_steps=12', 'output_dir=fives'], place);
    expect(evaluated('fives')).toEqual([5, 10, 12]);
  });

  it('never comes with eval_strategy: no; the last weights are kept', async () => {
    const run = await train(['recipe.json', 'eval_strategy=no', 'max_steps=12', 'output_dir=unmeasured'], place);
    expect(evaluated('unmeasured')).toEqual([]);
    expect(run).toMatchObject({ best_step: 12, metrics: null });
    const tested = ['recipe.json', 'eval_strategy=no', 'data.test=test.jsonl', 'output_dir=tested'];
    expect((await train(tested, place)).metrics.accuracy).toBeGreaterThan(0.9);
  });
});

describe('training goes on from a model', () => {
  beforeAll(async () => {
    await train(['recipe.json', 'num_train_epochs=2', 'output_dir=first'], place);
  });

  it('with its head where the labels are the same: it starts where the first run ended', async () => {
    const first = objectOf<Run>(await attune(['eval', 'first', '--json'], place));
    const words = ['train', 'recipe.json', 'model=first/model', 'max_steps=1', 'output_dir=second', '--json'];
    const finished = await attune(words, place);
    expect(finished.stderr).not.toContain('new  ');
    const { before, base_loss: baseLoss } = objectOf<Run>(finished);
    expect(before.accuracy).toBe(first.metrics.accuracy);
    expect(baseLoss).toBeCloseTo(first.metrics.loss!, 5);
  });

  it('with a new head where they are others, though as many', async () => {
    const others = { angry: 'bad', bored: 'plot', happy: 'good' };
    writeReviews(join(folder, 'others'), others);
    const data = ['data.train=others/train.jsonl', 'data.validation=others/validation.jsonl'];
    const words = ['train', 'recipe.json', ...data, 'model=first/model', 'output_dir=other', '--json'];
    const finished = await attune(words, place);
    expect(finished.stderr).toContain('new     classifier.weight, classifier.bias');
    const run = objectOf<Run>(finished);
    expect(run.before.accuracy).toBeLessThan(0.9);
    expect(run.metrics.accuracy).toBeGreaterThan(0.9);
    expect(run.labels).toEqual(['angry', 'bored', 'happy']);
  });

  it('with a new head of another size, and never with a change of the model it started from', async () => {
    const before = readFileSync(join(folder, 'first/model/model.safetensors'));
    writeReviews(join(folder, 'two'), twoLabels);
    const data = ['data.train=two/train.jsonl', 'data.validation=two/validation.jsonl'];
    const run = await train(['recipe.json', ...data, 'model=first/model', 'output_dir=two-labels'], place);
    expect(run.labels).toEqual(['negative', 'positive']);
    expect(run.metrics.accuracy).toBeGreaterThan(0.9);
    expect(readFileSync(join(folder, 'first/model/model.safetensors')).equals(before)).toBe(true);
  });

  it('keeps the order of labels that the model has', async () => {
    // The tiny model's own order is that of the alphabet; here it is another.
    cpSync(tinyModel, join(folder, 'reordered'), { recursive: true });
    const config = JSON.parse(readFileSync(join(tinyModel, 'config.json'), 'utf8'));
    const id2label = { 0: 'positive', 1: 'negative', 2: 'neutral' };
    writeFileSync(join(folder, 'reordered/config.json'), JSON.stringify({ ...config, id2label }));
    const run = await train(['recipe.json', 'model=reordered', 'max_steps=1', 'output_dir=ordered'], place);
    expect(run.labels).toEqual(['positive', 'negative', 'neutral']);
  });
});
