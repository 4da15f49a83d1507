/** `attune train` on data of every format, on pairs of texts, and what each part of the data is used for. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { readJson, readLines, temporaryFolder, train, writeRecipe } from './attune.ts';
import { reviews, tinyRecipe, twoLabels, writeReviews, writeRows } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
const weights = (run: string) => readFileSync(join(folder, run, 'model/model.safetensors'));
/** Lines of metrics.jsonl without what a clock measured. */
const curve = (run: string) => readLines(folder, run, 'metrics.jsonl').map(({ tokens_per_second: _, ...line }) => line);

beforeAll(() => {
  writeReviews(folder);
  writeRecipe(folder, tinyRecipe());
});

describe('formats', () => {
  it('gives the same run for the same rows as jsonl, json, csv and tsv', async () => {
    await train(['recipe.json', 'output_dir=jsonl'], place);
    for (const ending of ['json', 'csv', 'tsv']) {
      writeRows(folder, `train.${ending}`, reviews(96));
      writeRows(folder, `validation.${ending}`, reviews(30, 96));
      const data = [`data.train=train.${ending}`, `data.validation=validation.${ending}`];
      await train(['recipe.json', ...data, `output_dir=${ending}`], place);
      expect(weights(ending).equals(weights('jsonl')), ending).toBe(true);
      expect(curve(ending), ending).toEqual(curve('jsonl'));
    }
  });

  it('takes columns by the names that the recipe gives, with cells that need quotes', async () => {
    const renamed = (count: number, from: number) =>
      reviews(count, from).map(({ text, label }) => ({ id: `${from}, "x"`, 评论: `${text},\n"the"`, 类别: label }));
    writeRows(folder, 'renamed/train.csv', renamed(96, 0));
    writeRows(folder, 'renamed/validation.tsv', renamed(30, 96));
    const data = {
      train: 'renamed/train.csv',
      validation: 'renamed/validation.tsv',
      columns: { text: '评论', label: '类别' },
    };
    writeRecipe(folder, tinyRecipe({ data, output_dir: 'renamed/run' }), 'renamed.json');
    const run = await train(['renamed.json'], place);
    expect(run).toMatchObject({ rows: { train: 96, validation: 30 }, labels: ['negative', 'neutral', 'positive'] });
    expect(run.metrics.accuracy).toBeGreaterThan(0.8);
  });

  it('reads a folder of files, a glob and a list of paths', async () => {
    writeRows(folder, 'parts/a.jsonl', reviews(48));
    writeRows(folder, 'parts/b.csv', reviews(48, 48));
    for (const parts of ['parts', 'parts/*', '["parts/a.jsonl","parts/b.csv"]']) {
      const run = await train(
        ['recipe.json', `data.train=${parts}`, 'max_steps=1', `output_dir=run-${parts.length}`],
        place,
      );
      expect(run.rows.train, parts).toBe(96);
    }
  });

  it('learns Chinese', async () => {
    const chinese = (count: number, from: number) =>
      reviews(count, from, { 好评: '好', 差评: '坏' }).map(({ text, label }) => ({ text: `电影${text}`, label }));
    writeRows(folder, 'chinese.jsonl', chinese(96, 0));
    writeRows(folder, 'chinese-validation.jsonl', chinese(30, 96));
    const data = ['data.train=chinese.jsonl', 'data.validation=chinese-validation.jsonl'];
    const run = await train(['recipe.json', ...data, 'output_dir=chinese'], place);
    expect(run.labels).toEqual(['好评', '差评']);
    expect(run.metrics.accuracy).toBeGreaterThan(0.9);
  });

  it('reads labels that are numbers, sorted as numbers', async () => {
    const stars = { 10: 'good', 9: 'bad', 1: 'plot' };
    const numbered = reviews(48, 0, stars).map(({ text, label }) => ({ text, label: Number(label) }));
    writeRows(folder, 'stars.jsonl', numbered);
    const run = await train(['recipe.json', 'data.train=stars.jsonl', '~data.validation', 'output_dir=stars'], place);
    expect(run.labels).toEqual(['1', '9', '10']);
    expect(readJson(folder, 'stars/model/config.json').id2label).toEqual({ 0: '1', 1: '9', 2: '10' });
  });
});

describe('pairs of texts', () => {
  it('finds sentence1 and sentence2, and learns from both', async () => {
    // Whether both texts speak alike: neither of them says it alone.
    const pairs = (count: number, from: number) =>
      Array.from({ length: count }, (_, i) => {
        const [first, second] = [['good', 'bad'][i % 2], ['good', 'bad'][(i >> 1) % 2]];
        const { text } = reviews(1, from + i, { any: 'film' })[0]!;
        return {
          sentence1: `${first} ${text}`,
          sentence2: `${second} ${second}`,
          label: first === second ? 'same' : 'other',
        };
      });
    writeRows(folder, 'pairs.csv', pairs(192, 0));
    writeRows(folder, 'pairs-validation.csv', pairs(40, 192));
    const data = ['data.train=pairs.csv', 'data.validation=pairs-validation.csv', 'num_train_epochs=10'];
    const run = await train(['recipe.json', ...data, 'output_dir=pairs'], place);
    expect(run.before.majority).toBe(0.5);
    expect(run.metrics.accuracy).toBeGreaterThan(0.8);
  });
});

describe('validation_split', () => {
  it('holds back a tenth of every label when no validation is given, the same for the same seed', async () => {
    writeRecipe(folder, tinyRecipe({ data: { validation: undefined } }), 'split.json');
    const runs = [];
    for (const [name, seed] of [
      ['split-a', 1],
      ['split-b', 1],
      ['split-c', 2],
    ] as const) {
      runs.push(await train(['split.json', `seed=${seed}`, 'num_train_epochs=1', `output_dir=${name}`], place));
    }
    for (const { rows, before } of runs) {
      expect(rows.train + rows.validation).toBe(96);
      expect(rows.validation).toBeGreaterThanOrEqual(9);
      expect(rows.validation).toBeLessThanOrEqual(12);
      expect(before.majority).toBeLessThan(0.45);
    }
    expect(runs[1]!.before).toEqual(runs[0]!.before);
    expect(weights('split-b').equals(weights('split-a'))).toBe(true);
    expect(runs[2]!.before).not.toEqual(runs[0]!.before);
  });

  it('takes the share that is asked for', async () => {
    const run = await train(['split.json', 'validation_split=0.25', 'max_steps=1', 'output_dir=quarter'], place);
    expect(run.rows).toMatchObject({ train: 72, validation: 24 });
  });

  it('measures nothing where it is 0, and says so with null', async () => {
    const run = await train(['split.json', 'validation_split=0', 'max_steps=4', 'output_dir=no-validation'], place);
    expect(run).toMatchObject({ rows: { train: 96, validation: 0 }, metrics: null, best_step: 4, base_loss: null });
  });
});

describe('test data', () => {
  it('gives the figures and chooses nothing: with and without it the weights are the same', async () => {
    // Labels of the test data are turned round, so that the step that is best for it is another.
    const turned = reviews(24, 126, twoLabels).map(({ text, label }) => ({
      text,
      label: label === 'negative' ? 'positive' : 'negative',
    }));
    writeReviews(join(folder, 'two'), twoLabels);
    writeRows(folder, 'two/turned.jsonl', turned);
    const data = { train: 'two/train.jsonl', validation: 'two/validation.jsonl' };
    writeRecipe(folder, tinyRecipe({ data }), 'two.json');
    const without = await train(['two.json', 'output_dir=without'], place);
    const tested = await train(['two.json', 'data.test=two/turned.jsonl', 'output_dir=with'], place);
    expect(weights('with').equals(weights('without'))).toBe(true);
    expect(tested.best_step).toBe(without.best_step);
    expect(curve('with')).toEqual(curve('without'));
    expect(without.metrics.accuracy).toBeGreaterThan(0.9);
    expect(tested.metrics.accuracy).toBeLessThan(0.1);
    expect(tested.rows.test).toBe(24);
  });
});
