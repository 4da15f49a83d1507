/** A run that is broken off and resumed is the run that was never broken off, bit for bit. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { checkpointsOf, killWhen, outcomeOf } from '../crash/outcome.ts';
import { attune, contentsOf, readJson, readLines, start, temporaryFolder, train, writeRecipe } from './attune.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };

beforeAll(() => {
  writeReviews(folder);
  // Checkpoints lie inside an epoch, between two lines of the log and between two evaluations.
  const training = { dropout: 0.1, save_steps: 7, logging_steps: 5, num_train_epochs: 3 };
  writeRecipe(folder, tinyRecipe({ data: { test: 'test.jsonl' }, evaluation: { eval_steps: 4 }, training }));
});

/** Kills the run once it has saved the checkpoint, resumes it, and expects it to end as one that was left alone. */
async function expectSame(name: string, words: readonly string[]): Promise<void> {
  const [whole, broken] = [`${name}-whole`, `${name}-broken`];
  await train(['recipe.json', ...words, `output_dir=${whole}`], place);
  const started = start(['train', 'recipe.json', ...words, `output_dir=${broken}`], place);
  const saved = () => existsSync(join(folder, broken, 'checkpoints/step-14'));
  expect(await killWhen(started, saved)).toBe(true);
  expect(readJson(folder, broken, 'run.json').status).toBe('running');
  await train(['recipe.json', ...words, `output_dir=${broken}`, '--resume'], place);
  expect(outcomeOf(join(folder, broken))).toEqual(outcomeOf(join(folder, whole)));
  const [step] = readJson<{ resumed_at_steps: number[] }>(folder, broken, 'run.json').resumed_at_steps;
  expect(step).toBeGreaterThanOrEqual(14);
}

describe('killed and resumed', () => {
  it.each([
    ['full', []],
    ['freeze', ['method=freeze', 'learning_rate=0.01']],
    ['lora', ['method.name=lora', 'method.r=4', 'method.target_modules=all-linear']],
    [
      'accumulated',
      ['gradient_accumulation_steps=2', 'per_device_train_batch_size=4', 'train_sampling_strategy=random'],
    ],
    [
      'threshold',
      ['data.train=two/train.jsonl', 'data.validation=two/validation.jsonl', '~data.test', 'threshold=auto'],
    ],
    ['patient', ['early_stopping_patience=3', 'learning_rate=1e-5']],
  ])('%s: the same weights, curve, figures and answers', async (name, words) => {
    if (name === 'threshold') writeReviews(join(folder, 'two'), { negative: 'bad', positive: 'good' });
    await expectSame(name, words);
  });
});

describe('a finished run', () => {
  it('is left as it is, byte for byte, and resuming it is no failure', async () => {
    await train(['recipe.json', 'max_steps=8', 'output_dir=over'], place);
    const before = contentsOf(join(folder, 'over'));
    const { code, stdout, stderr } = await attune(
      ['train', 'recipe.json', 'max_steps=8', 'output_dir=over', '--resume', '--json'],
      place,
    );
    expect(code).toBe(0);
    expect(stderr).toContain('there is nothing left to do');
    expect(JSON.parse(stdout)).toEqual(readJson(folder, 'over/run.json'));
    expect(contentsOf(join(folder, 'over'))).toEqual(before);
  });
});

describe('without anything to resume', () => {
  it('the run starts', async () => {
    await train(['recipe.json', 'max_steps=8', 'output_dir=new', '--resume'], place);
    expect(checkpointsOf(join(folder, 'new'))).toEqual([7]);
    expect(readLines(folder, 'new/metrics.jsonl').at(-1)).toMatchObject({ step: 8 });
  });
});
