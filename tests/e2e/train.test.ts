/** `attune train`: what is printed, and the folder that a run leaves. */
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  attune,
  type Finished,
  objectOf,
  type Run,
  readJson,
  readLines,
  temporaryFolder,
  tensorsOf,
  tinyModel,
  train,
  unexplained,
  writeRecipe,
} from './attune.ts';
import { reviews, tinyRecipe, writeReviews, writeRows } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
let finished: Finished;
beforeAll(async () => {
  writeReviews(folder);
  writeRecipe(folder, tinyRecipe({ data: { test: 'test.jsonl' } }));
  finished = await attune(['train', 'recipe.json', '--json'], place);
});

describe('a run', () => {
  it('ends with 0 and prints run.json as one line; people read stderr', () => {
    expect(finished.code, finished.stderr).toBe(0);
    expect(objectOf(finished)).toEqual(readJson(folder, 'run/run.json'));
    expect(finished.stderr).toContain('96 rows to learn from, 30 for validation, 24 for the test');
    expect(finished.stderr).toContain('step 48/48');
  });

  it('learns: what it gets right is far from the most frequent label', () => {
    const { metrics, before, base_loss: baseLoss } = objectOf<Run>(finished);
    expect(before.majority).toBeCloseTo(1 / 3);
    expect(metrics.accuracy).toBeGreaterThan(0.9);
    expect(metrics.loss).toBeLessThan(baseLoss / 4);
  });

  it('says in run.json what the contract promises', () => {
    const figure = expect.closeTo(0.5, -3); // any number of a size that makes sense
    const metrics = { accuracy: figure, f1: figure, precision: figure, recall: figure, loss: figure };
    expect(readJson(folder, 'run/run.json')).toMatchObject({
      status: 'succeeded',
      error: null,
      method: 'full',
      task: 'text-classification',
      trainable_parameters: 28_243,
      total_parameters: 28_243,
      base_model: tinyModel,
      labels: ['negative', 'neutral', 'positive'],
      base_loss: figure,
      before: metrics,
      metrics: { ...metrics, matthews_correlation: figure },
      retention: null,
      rows: { train: 96, validation: 30, test: 24, truncated: 0 },
      steps: 48,
      recipe: { training: { learning_rate: 0.003, weight_decay: 0.01 }, data: { validation_split: 0 } },
      versions: { attune: expect.stringMatching(/^\d+\.\d+\.\d+/), node: process.version },
    });
  });

  it('counts texts that are longer than the model reads, and tells of them', async () => {
    const long = { text: 'good '.repeat(200), label: 'positive' };
    writeRows(folder, 'long.jsonl', [...reviews(30), long, long]);
    const words = ['recipe.json', 'data.train=long.jsonl', 'max_steps=1', 'output_dir=long'];
    const cut = await attune(['train', ...words, '--json'], place);
    expect(objectOf<{ rows: object }>(cut).rows).toMatchObject({ train: 32, truncated: 2 });
    expect(cut.stderr).toContain('2 of 86 texts are cut to 32 tokens');
    expect(readFileSync(join(folder, 'long/report.html'), 'utf8')).toMatch(/Cut to 32 tokens<\/dt><dd>2 \(2\.3 %\)/);
  });

  it('measures its own time, memory and size', () => {
    const run = readJson<Record<string, number> & { timing: Record<string, number> }>(folder, 'run/run.json');
    const names = ['load_seconds', 'train_seconds', 'eval_seconds', 'examples_per_second', 'tokens_per_second'];
    expect(Object.keys(run.timing).sort()).toEqual([...names, 'cache_seconds'].sort());
    expect(run.timing.cache_seconds).toBe(0);
    for (const name of names) expect(run.timing[name], name).toBeGreaterThan(0);
    expect(run.timing.examples_per_second).toBeCloseTo((96 * 4) / run.timing.train_seconds!, 3);
    expect(run.peak_memory_bytes).toBeGreaterThan(50e6);
    expect(run.peak_memory_bytes).toBeLessThan(2e9);
    const sizes = readdirSync(join(folder, 'run/model')).map((name) => statSync(join(folder, 'run/model', name)).size);
    expect(run.artifact_bytes).toBe(sizes.reduce((a, b) => a + b));
  });

  it('knows which data it saw', () => {
    const { data_sha256: hashes } = readJson<{ data_sha256: Record<string, string> }>(folder, 'run/run.json');
    expect(Object.keys(hashes)).toEqual(['train.jsonl', 'validation.jsonl', 'test.jsonl']);
    for (const hash of Object.values(hashes)) expect(hash).toMatch(/^[0-9a-f]{64}$/);
  });

  it('has no field that docs/reference/run-folder.md leaves out', () => {
    const run = readJson<Record<string, object>>(folder, 'run/run.json');
    const parts = ['rows', 'timing', 'guards', 'machine', 'versions', 'identity', 'metrics'].map((name) => run[name]!);
    const lines = ['metrics.jsonl', 'predictions.jsonl'].flatMap((name) => readLines(folder, 'run', name));
    const logged = lines.flatMap(Object.keys).map((field) => field.replace(/^eval_/, ''));
    expect(unexplained([...[run, ...parts].flatMap(Object.keys), ...logged])).toEqual([]);
  });

  it('leaves nothing in its folder but what is named in the contract', () => {
    const names = ['checkpoints', 'metrics.jsonl', 'model', 'predictions.jsonl', 'report.html', 'run.json'];
    expect(readdirSync(join(folder, 'run')).sort()).toEqual(names);
    const files = ['config.json', 'model.safetensors', 'tokenizer.json', 'tokenizer_config.json', 'vocab.txt'];
    expect(readdirSync(join(folder, 'run/model')).sort()).toEqual(files);
    expect(readdirSync(join(folder, 'run/checkpoints')).sort()).toEqual(['step-36', 'step-48']);
    const kept = ['best_answers.safetensors', 'linked', 'manifest.json', 'state.json', 'trainer.safetensors'];
    expect(readdirSync(join(folder, 'run/checkpoints/step-48')).sort()).toEqual(kept);
  });
});

describe('metrics.jsonl', () => {
  it('has a line every logging_steps and at the end, and one for every evaluation', () => {
    const lines = readLines<Record<string, number>>(folder, 'run/metrics.jsonl');
    const steps = lines.filter(({ loss }) => loss !== undefined);
    expect(steps.map(({ step }) => step)).toEqual([5, 10, 15, 20, 25, 30, 35, 40, 45, 48]);
    const keys = ['step', 'epoch', 'loss', 'learning_rate', 'grad_norm', 'tokens_per_second'];
    for (const line of steps) expect(Object.keys(line)).toEqual(keys);
    expect(steps.at(-1)!.loss).toBeLessThan(steps[0]!.loss! / 4);
    // The rate of the step itself, on the line from 0.003 at step 1 down to 0 after step 48.
    expect(steps.map((line) => line.learning_rate)).toEqual(
      steps.map(({ step }) => expect.closeTo(0.003 * (1 - (step! - 1) / 48), 8)),
    );
    const evaluations = lines.filter((line) => line.eval_accuracy !== undefined);
    expect(evaluations.map(({ step, epoch }) => [step, epoch])).toEqual([12, 24, 36, 48].map((n) => [n, n / 12]));
  });

  it('agrees with best_step: the first evaluation that no later one beats', () => {
    const lines = readLines<Record<string, number>>(folder, 'run/metrics.jsonl');
    const evaluations = lines.filter((line) => line.eval_accuracy !== undefined);
    const highest = Math.max(...evaluations.map((line) => line.eval_accuracy!));
    const { best_step: best } = objectOf<Run>(finished);
    expect(best).toBe(evaluations.find((line) => line.eval_accuracy === highest)!.step);
  });
});

describe('model/', () => {
  it('has a config.json that Transformers reads: the base with the head and the labels of the run', () => {
    const base = readJson(tinyModel, 'config.json');
    expect(readJson(folder, 'run/model/config.json')).toEqual({
      ...base,
      architectures: ['BertForSequenceClassification'],
      id2label: { 0: 'negative', 1: 'neutral', 2: 'positive' },
      label2id: { negative: 0, neutral: 1, positive: 2 },
      problem_type: 'single_label_classification',
      dtype: 'float32',
    });
  });

  it("has the base's tensors by name and size, with other, finite values", () => {
    const before = tensorsOf(join(tinyModel, 'model.safetensors'));
    const after = tensorsOf(join(folder, 'run/model/model.safetensors'));
    expect([...after.keys()].sort()).toEqual([...before.keys()].sort());
    for (const [name, values] of after) {
      expect(values.length, name).toBe(before.get(name)!.length);
      expect(values.every(Number.isFinite), name).toBe(true);
      expect(values, name).not.toEqual(before.get(name));
    }
  });

  it("has the base's tokenizer, byte for byte, and left the base alone", () => {
    for (const name of ['tokenizer.json', 'tokenizer_config.json', 'vocab.txt']) {
      expect(readFileSync(join(folder, 'run/model', name))).toEqual(readFileSync(join(tinyModel, name)));
    }
  });
});

describe('the words of the command', () => {
  it('takes settings as key=value, by path or by their last word', async () => {
    const words = ['recipe.json', 'training.learning_rate=2e-3', 'max_steps=3', 'output_dir=other'];
    expect(await train(words, place)).toMatchObject({
      steps: 3,
      recipe: { training: { learning_rate: 0.002, max_steps: 3 }, output_dir: 'other' },
    });
  });

  it('names the folder by the recipe when output_dir is not given, and reads YAML', async () => {
    const yaml = `model: ${tinyModel}\ntask: text-classification\ndata: {train: train.jsonl, max_length: 32}\n`;
    writeFileSync(join(folder, 'words.yaml'), `${yaml}training: {max_steps: 1}\n`);
    const { code, stdout, stderr } = await attune(['train', 'words.yaml'], place);
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^done in \d+s .*\nresult accuracy \d\.\d{4} .*\nfolder runs\/words\n$/s);
    expect(readJson(folder, 'runs/words/run.json').status).toBe('succeeded');
  });

  it('resolves a recipe that run.json repeats: training it again is the same run', async () => {
    const { recipe } = readJson<{ recipe: object }>(folder, 'run/run.json');
    writeRecipe(folder, { ...recipe, output_dir: 'again' }, 'again.json');
    await train(['again.json'], place);
    const weights = (run: string) => readFileSync(join(folder, run, 'model/model.safetensors'));
    expect(weights('again').equals(weights('run'))).toBe(true);
  });
});
