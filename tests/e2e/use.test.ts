/** What is done with a finished run: eval, predict. And the commands beside it: pull, doctor. */
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
  temporaryFolder,
  tinyModel,
  train,
  writeRecipe,
} from './attune.ts';
import { type Review, reviews, tinyRecipe, writeReviews, writeRows } from './reviews.ts';

interface Prediction {
  readonly label: string;
  readonly score: number;
  readonly scores: Readonly<Record<string, number>>;
}

const folder = temporaryFolder();
const place = { cwd: folder };
let run: Run;
beforeAll(async () => {
  writeReviews(folder);
  writeRecipe(folder, tinyRecipe({ training: { num_train_epochs: 2 } }));
  run = await train(['recipe.json'], place);
});

describe('attune eval', () => {
  it("measures a run on its own validation data: the run's figures once more", async () => {
    const finished = await attune(['eval', 'run', '--json'], place);
    expect(finished.code, finished.stderr).toBe(0);
    const { metrics, ...others } = objectOf<{ metrics: Record<string, number> }>(finished);
    expect(others).toEqual({ examples: 30, truncated: 0, dropped: 0, retention: null });
    expect(Object.keys(metrics)).toEqual(Object.keys(run.metrics));
    for (const [name, value] of Object.entries(metrics)) expect(value, name).toBeCloseTo(run.metrics[name]!, 6);
  });

  it('measures a run, or its model folder, on other data', async () => {
    for (const target of ['run', 'run/model']) {
      const words = ['eval', target, '--data', 'test.jsonl', '--data', 'validation.jsonl', '--json'];
      const finished = await attune(words, place);
      expect(finished.code, finished.stdout).toBe(0);
      expect(objectOf(finished)).toMatchObject({ examples: 54 });
    }
  });

  it('prefers the test data of the run', async () => {
    await train(['recipe.json', 'data.test=test.jsonl', 'max_steps=2', 'output_dir=tested'], place);
    const { metrics } = readJson<Run>(folder, 'tested/run.json');
    const found = objectOf<Run & { examples: number }>(await attune(['eval', 'tested', '--json'], place));
    expect(found.examples).toBe(24);
    expect(found.metrics.accuracy).toBe(metrics.accuracy);
  });

  it('measures a run on the rows that it held back, from any folder', async () => {
    const words = ['recipe.json', '~data.validation', 'validation_split=0.25', 'output_dir=split'];
    const { metrics } = await train(words, place);
    for (const cwd of [folder, temporaryFolder()]) {
      const finished = await attune(['eval', join(folder, 'split'), '--json'], { cwd });
      expect(finished.code, finished.stdout).toBe(0);
      expect(objectOf(finished)).toMatchObject({ examples: 24, metrics });
    }
  });

  it('refuses rows that were held back from a file that has changed since', async () => {
    writeRows(folder, 'changing.jsonl', reviews(60));
    const words = ['data.train=changing.jsonl', '~data.validation', 'max_steps=1', 'output_dir=changed'];
    await train(['recipe.json', ...words], place);
    writeRows(folder, 'changing.jsonl', reviews(61));
    const finished = await attune(['eval', 'changed', '--json'], place);
    expect(finished.code).toBe(2);
    expect(errorOf(finished)).toEqual({
      code: 'DATA_FILE',
      where: join(folder, 'changing.jsonl'),
      problem: expect.stringContaining('changed since the run'),
      fix: expect.stringContaining('--data'),
    });
  });

  it('finds the data of a run from another folder', async () => {
    const finished = await attune(['eval', join(folder, 'run'), '--json'], { cwd: temporaryFolder() });
    expect(finished.code, finished.stdout).toBe(0);
    expect(objectOf(finished)).toMatchObject({ examples: 30, metrics: run.metrics });
  });

  it('refuses labels that the model does not know', async () => {
    writeRows(folder, 'unknown.jsonl', [{ text: 'good', label: 'positve' }]);
    const finished = await attune(['eval', 'run', '--data', 'unknown.jsonl', '--json'], place);
    expect(finished.code).toBe(2);
    expect(errorOf(finished)).toEqual({
      code: 'DATA_LABELS',
      where: 'unknown.jsonl:1',
      problem: expect.stringContaining("'positve'"),
      fix: expect.stringContaining("did you mean 'positive'?"),
    });
  });

  it('asks for data where the target has none', async () => {
    const finished = await attune(['eval', tinyModel, '--json'], place);
    expect(finished.code).toBe(2);
    expect(errorOf(finished)).toMatchObject({ code: 'USAGE', fix: expect.stringContaining('--data') });
  });
});

describe('attune predict', () => {
  const predict = async (...words: string[]): Promise<Prediction[]> => {
    const finished = await attune(['predict', ...words, '--json'], place);
    expect(finished.code, `${finished.stdout}\n${finished.stderr}`).toBe(0);
    return linesOf<Prediction>(finished.stdout);
  };

  it('answers words of the command, one line each', async () => {
    const answers = await predict('run', 'good the film good', 'bad the film bad', 'plot the film plot');
    expect(answers.map(({ label }) => label)).toEqual(['positive', 'negative', 'neutral']);
    for (const answer of answers) {
      expect(Object.keys(answer)).toEqual(['label', 'score', 'scores']);
      expect(Object.keys(answer.scores)).toEqual(run.labels);
      const scores = Object.values(answer.scores);
      expect(scores.reduce((a, b) => a + b)).toBeCloseTo(1, 6);
      expect(answer.score).toBe(Math.max(...scores));
      expect(answer.score).toBe(answer.scores[answer.label]);
    }
  });

  it('answers a file in its order, as often right as the run says', async () => {
    const rows = readLines<Review>(folder, 'validation.jsonl');
    const answers = await predict('run', '--input', 'validation.jsonl');
    expect(answers).toHaveLength(30);
    const right = answers.filter(({ label }, i) => label === rows[i]!.label);
    expect(right.length / 30).toBeCloseTo(run.metrics.accuracy!, 10);
    const loss = answers.reduce((sum, { scores }, i) => sum - Math.log(scores[rows[i]!.label]!), 0) / 30;
    expect(loss).toBeCloseTo(run.metrics.loss!, 5);
  });

  it('answers each text alike, whatever stands beside it: short ones, long ones, and more than fit at once', async () => {
    const texts = reviews(1100).map(({ text }, i) => ({ text: i % 3 === 0 ? text.slice(0, 4) : text }));
    writeRows(folder, 'many.csv', texts);
    const answers = await predict('run', '--input', 'many.csv');
    expect(answers).toHaveLength(1100);
    const chosen = [0, 1, 500, 1023, 1024, 1099];
    const alone = await predict('run', ...chosen.map((i) => texts[i]!.text));
    alone.forEach(({ label, score }, i) => {
      const among = answers[chosen[i]!]!;
      expect(among.label).toBe(label);
      expect(among.score).toBeCloseTo(score, 5);
    });
  });

  it('cuts a text that is longer than the model, whether a run or a model folder answers', async () => {
    const long = 'good '.repeat(200);
    const [answer] = await predict('run', long);
    expect(answer!.label).toBe('positive');
    expect(await predict('run/model', long)).toHaveLength(1);
    expect(await predict(tinyModel, long)).toHaveLength(1);
  });

  it('prints a line for people without --json', async () => {
    const { code, stdout } = await attune(['predict', 'run', 'good the\tfilm good'], place);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^positive {2}0\.\d{4} {2}good the film good\n$/);
  });

  it('takes texts from words or from a file, not from both and not from neither', async () => {
    for (const words of [['run'], ['run', 'good', '--input', 'test.jsonl']]) {
      const finished = await attune(['predict', ...words, '--json'], place);
      expect(finished.code).toBe(2);
      expect(errorOf(finished)).toMatchObject({ code: 'USAGE', where: 'predict run' });
    }
  });

  it('says which file is missing', async () => {
    const finished = await attune(['predict', 'run', '--input', 'tset.jsonl', '--json'], place);
    expect(finished.code).toBe(2);
    expect(errorOf(finished)).toMatchObject({
      code: 'DATA_FILE',
      where: 'tset.jsonl',
      fix: expect.stringContaining('test.jsonl'),
    });
  });
});

describe('attune pull and attune doctor', () => {
  it('tells of a folder where it is and how large', async () => {
    const finished = await attune(['pull', join(folder, 'run/model'), '--json'], place);
    expect(finished.code).toBe(0);
    expect(objectOf(finished)).toEqual({
      path: join(folder, 'run/model'),
      bytes: expect.any(Number),
      source: 'folder',
    });
  });

  it('finds that everything training needs works', async () => {
    const finished = await attune(['doctor', '--json'], place);
    expect(finished.code, finished.stdout).toBe(0);
    const { ok, checks } = objectOf<{ ok: boolean; checks: { name: string; ok: boolean }[] }>(finished);
    expect(ok).toBe(true);
    expect(checks.map(({ name }) => name)).toEqual(expect.arrayContaining(['version', 'runtime', 'kernels']));
  });
});
