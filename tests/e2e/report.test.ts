/** predictions.jsonl and report.html: what a run leaves for people to look at. */
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { convert } from 'html-to-text';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  attune,
  errorOf,
  linesOf,
  objectOf,
  type Problem,
  type Run,
  readJson,
  readLines,
  start,
  temporaryFolder,
  train,
  writeRecipe,
} from './attune.ts';
import { type Review, reviews, tinyRecipe, writeReviews, writeRows } from './reviews.ts';

interface Answer {
  readonly where: string;
  readonly text: string;
  readonly pair?: string;
  readonly label: string;
  readonly prediction: string;
  readonly score: number;
  readonly scores: Readonly<Record<string, number>>;
  readonly correct: boolean;
}

const folder = temporaryFolder();
const place = { cwd: folder };
const answersOf = (run: string): Answer[] => readLines<Answer>(folder, run, 'predictions.jsonl');
const report = (run: string): string => readFileSync(join(folder, run, 'report.html'), 'utf8');
const textOf = (run: string): string => convert(report(run), { wordwrap: false });
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
/** A wrong label that no training can learn. */
const mislabelled = { text: 'good the film good <b>&', label: 'negative' };

beforeAll(() => {
  writeReviews(folder);
  writeRows(folder, 'test.jsonl', [...reviews(24, 126), mislabelled]);
  writeRecipe(folder, tinyRecipe({ training: { num_train_epochs: 2 } }));
});

describe('a run with test data', () => {
  let run: Run;
  beforeAll(async () => {
    run = await train(['recipe.json', 'data.test=test.jsonl'], place);
  });

  it('leaves the answers to the test rows, in the order of the file', () => {
    const rows = readLines<Review>(folder, 'test.jsonl');
    const answers = answersOf('run');
    expect(answers.map(({ text, label }) => ({ text, label }))).toEqual(rows);
    expect(answers.map(({ where }) => where)).toEqual(rows.map((_, i) => `test.jsonl:${i + 1}`));
    for (const { label, prediction, score, scores, correct } of answers) {
      expect(correct).toBe(label === prediction);
      expect(score).toBe(scores[prediction]);
      expect(score).toBe(Math.max(...Object.values(scores)));
      expect(Object.keys(scores)).toEqual(run.labels);
    }
    expect(answers.filter(({ correct }) => correct).length / 25).toBeCloseTo(run.metrics.accuracy!, 12);
  });

  it('answered them with the weights that it saved', async () => {
    const { stdout } = await attune(['predict', 'run', '--input', 'test.jsonl', '--json'], place);
    const predicted = linesOf<{ label: string; score: number }>(stdout);
    answersOf('run').forEach(({ prediction, score }, i) => {
      expect(predicted[i]!.label).toBe(prediction);
      expect(predicted[i]!.score).toBeCloseTo(score, 5);
    });
  });

  it('leaves a page that loads nothing', () => {
    expect(report('run')).toMatch(/^<!doctype html>\n<html lang="en">/);
    expect(report('run')).not.toMatch(/<script|<link|<img|\ssrc=|\shref=|url\(|@import|https?:/i);
    expect(report('run')).not.toMatch(/NaN|undefined|\[object/);
  });

  it('tells the figures of run.json on it', () => {
    const text = textOf('run');
    expect(text).toContain('Accuracy on 25 test rows');
    expect(text).toContain(percent(run.metrics.accuracy!));
    expect(text).toContain(run.metrics.loss!.toFixed(4));
    expect(text).toContain(percent(run.before.majority!));
    expect(text).toContain(percent(run.before.accuracy!));
    expect(text).toContain('learning_rate: 0.003');
    expect(text).toContain(`step ${run.best_step}`);
  });

  it('draws every logged step and every evaluation', () => {
    const lines = readLines<{ loss?: number; eval_loss?: number }>(folder, 'run/metrics.jsonl');
    const [train, validation] = [...report('run').matchAll(/<polyline class="\w+" points="([^"]+)"/g)];
    expect(train![1]!.split(' ')).toHaveLength(lines.filter(({ loss }) => loss !== undefined).length);
    // And the one before the first step.
    expect(validation![1]!.split(' ')).toHaveLength(lines.filter((line) => line.eval_loss !== undefined).length + 1);
  });

  it('shows the row that has a wrong label among the worst mistakes', () => {
    const text = textOf('run');
    const mistakes = text.slice(text.search(/worst mistakes/i));
    expect(mistakes).toContain(mislabelled.text);
    expect(mistakes).toContain('test.jsonl:25');
  });
});

describe('the rows that are answered', () => {
  it('are those of validation where there is no test', async () => {
    const words = ['~data.validation', 'validation_split=0.25', 'max_steps=3', 'output_dir=split'];
    const { metrics } = await train(['recipe.json', ...words], place);
    const answers = answersOf('split');
    expect(answers).toHaveLength(24);
    for (const { where } of answers) expect(where).toMatch(/^train\.jsonl:\d+$/);
    expect(answers.filter(({ correct }) => correct).length / 24).toBeCloseTo(metrics.accuracy!, 12);
    expect(textOf('split')).toContain('These rows chose the checkpoint');
  });

  it('are those of the best checkpoint, not of the last', async () => {
    // So high a rate spoils what it has learned.
    const words = ['learning_rate=0.05', 'lr_scheduler_type=constant', 'metric_for_best_model=loss', 'eval_steps=2'];
    const run = await train(['recipe.json', ...words, 'output_dir=spoiled'], place);
    const evaluations = readLines<{ eval_loss?: number }>(folder, 'spoiled/metrics.jsonl');
    const last = evaluations.findLast((line) => line.eval_loss !== undefined)!.eval_loss!;
    expect(last).toBeGreaterThan(run.metrics.loss! + 0.1);
    const loss = answersOf('spoiled').reduce((sum, { scores, label }) => sum - Math.log(scores[label]!), 0) / 30;
    expect(loss).toBeCloseTo(run.metrics.loss!, 4);
    expect(textOf('spoiled')).toContain(`step ${run.best_step}`);
  });

  it('are none where nothing was evaluated; the page says so', async () => {
    const words = ['~data.validation', 'validation_split=0', 'max_steps=3', 'output_dir=blind'];
    expect((await train(['recipe.json', ...words], place)).metrics).toBe(null);
    expect(existsSync(join(folder, 'blind/predictions.jsonl'))).toBe(false);
    expect(textOf('blind')).toContain('Nothing was measured.');
    expect(report('blind')).not.toMatch(/NaN|undefined/);
  });

  it('have both texts of a pair', async () => {
    const pairs = reviews(60).map(({ text, label }) => ({ premise: text, hypothesis: `${text} film`, label }));
    writeRows(folder, 'pairs.jsonl', pairs);
    await train(
      ['recipe.json', 'data.train=pairs.jsonl', '~data.validation', 'max_steps=3', 'output_dir=pairs'],
      place,
    );
    for (const { text, pair } of answersOf('pairs')) expect(pair).toBe(`${text} film`);
  });
});

describe('a run that is stopped', () => {
  it('leaves both, of its best evaluation', async () => {
    const started = start(['train', 'recipe.json', 'num_train_epochs=100000', 'output_dir=stopped', '--json'], place);
    await started.told('step 24: validation');
    started.child.kill('SIGINT');
    const finished = await started.finished;
    expect(finished.code).toBe(130);
    const run = objectOf<Run>(finished);
    const answers = answersOf('stopped');
    expect(answers.filter(({ correct }) => correct).length / 30).toBeCloseTo(run.metrics.accuracy!, 12);
    expect(textOf('stopped')).toContain(`stopped at step ${run.steps.toLocaleString('en-US')} of 1,200,000`);
  });
});

describe('a run that breaks off', () => {
  const broken = async (output: string, ...words: string[]): Promise<Problem> => {
    const finished = await attune(['train', 'recipe.json', ...words, `output_dir=${output}`, '--json'], place);
    expect(finished.code, finished.stdout).toBe(3);
    const error = errorOf(finished);
    // The loss itself may be no number, and the error and the guards say so.
    const page = report(output).replace(/<section><h2>Guards.*?<\/section>/s, '');
    expect(page.replaceAll(error.problem, '')).not.toMatch(/NaN|undefined|\[object/);
    return error;
  };

  it('leaves its error and its curves, and what its best model reached', async () => {
    const late = [
      'learning_rate=1e12',
      'warmup_steps=48',
      'lr_scheduler_type=linear',
      'eval_steps=1',
      'logging_steps=1',
    ];
    const error = await broken('late', ...late);
    const run = readJson<Run>(folder, 'late/run.json');
    const text = textOf('late');
    expect(text).toContain(`stopped at step ${run.steps} of 24`);
    for (const part of [error.problem, error.fix, error.code, 'The model of step 1 was saved.']) {
      expect(text).toContain(part);
    }
    expect(report('late')).toContain(`<h2>${error.where}</h2>`);
    expect(text).toContain('Accuracy on 30 validation rows');
    expect(text).toContain(percent(run.metrics.accuracy!));
    expect(answersOf('late').filter(({ correct }) => correct).length / 30).toBeCloseTo(run.metrics.accuracy!, 12);
    const [train] = [...report('late').matchAll(/<polyline class="\w+" points="([^"]+)"/g)];
    const logged = readLines<{ loss?: number }>(folder, 'late/metrics.jsonl').filter(({ loss }) => loss !== undefined);
    expect(train![1]!.split(' ')).toHaveLength(logged.length);
  });

  it('says that nothing was measured and no model saved, where it is so', async () => {
    const error = await broken('early', 'learning_rate=1e6', 'spike_action=stop', 'max_skipped_steps=0');
    expect(textOf('early')).toContain(error.problem);
    expect(textOf('early')).toContain('No model was saved.');
    expect(textOf('early')).toContain('Nothing was measured.');
    expect(existsSync(join(folder, 'early/predictions.jsonl'))).toBe(false);
  });
});

describe('a page that cannot be written', () => {
  it('is told, and the run is whole without it', async () => {
    const started = start(['train', 'recipe.json', 'num_train_epochs=20', 'output_dir=refused', '--json'], place);
    await started.told('step 0: validation');
    mkdirSync(join(folder, 'refused/report.html/full'), { recursive: true });
    const finished = await started.finished;
    expect(finished.code, finished.stderr).toBe(0);
    expect(finished.stderr).toContain('report.html could not be written');
    expect(readJson(folder, 'refused/run.json').status).toBe('succeeded');
    expect(answersOf('refused')).toHaveLength(30);
    expect(statSync(join(folder, 'refused/report.html')).isDirectory()).toBe(true);
  });
});
