/** A rare label: class weights make it heard, and a threshold decides when it is answered. */
import { cpSync, writeFileSync } from 'node:fs';
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
  train as trainRun,
  writeRecipe,
} from './attune.ts';
import { expectRefusal, type Refusal } from './refusals.ts';
import { type Review, reviews, tinyRecipe, writeReviews, writeRows } from './reviews.ts';

/** Texts with "plot" are rare in one row of `every`; of texts with "bad" none is. No model can tell more. */
function mixed(count: number, { from = 0, every = 4 } = {}): Review[] {
  const rows = reviews(count, from, { common: 'bad', unsure: 'plot' });
  return rows.map(({ text, label }, i) => {
    const isRare = label === 'unsure' && Math.floor(i / 2) % every === 0;
    return { text, label: isRare ? 'rare' : 'common' };
  });
}

interface UnbalancedRun extends Run {
  readonly threshold: number | null;
  readonly class_weights: Readonly<Record<string, number>> | null;
}

const folder = temporaryFolder();
const place = { cwd: folder };
const train = (words: readonly string[]) => trainRun(words, place) as Promise<UnbalancedRun>;
const unsure = 'plot the film plot';

beforeAll(() => {
  writeRows(folder, 'train.jsonl', mixed(160));
  writeRows(folder, 'validation.jsonl', mixed(80, { from: 160 }));
  writeRows(folder, 'test.jsonl', mixed(80, { from: 240, every: 3 }));
  const training = { num_train_epochs: 6, learning_rate: 0.002, metric_for_best_model: 'loss' };
  writeRecipe(folder, tinyRecipe({ training }));
});

describe('class weights', () => {
  let plain: UnbalancedRun;
  let balanced: UnbalancedRun;
  beforeAll(async () => {
    plain = await train(['recipe.json', 'metric_for_best_model=f1', 'output_dir=plain']);
    const words = ['class_weights=balanced', 'metric_for_best_model=f1', 'output_dir=balanced'];
    balanced = await train(['recipe.json', ...words]);
  });

  it('find rows of a rare label that are lost without them', () => {
    expect(plain.metrics.recall).toBeLessThan(0.2);
    expect(plain.metrics.accuracy).toBeGreaterThan(0.8);
    expect(balanced.metrics.recall).toBeGreaterThan(0.9);
    expect(balanced.metrics.f1).toBeGreaterThan(plain.metrics.f1! + 0.2);
  });

  it('are written down, and leave the loss of evaluations alone', () => {
    expect(plain.class_weights).toBe(null);
    expect(balanced.class_weights).toEqual({ common: 160 / (2 * 140), rare: 160 / (2 * 20) });
    expect(balanced.base_loss).toBe(plain.base_loss);
    const first = (run: string) => readLines<{ loss: number }>(folder, run, 'metrics.jsonl')[0]!.loss;
    expect(first('balanced')).not.toBeCloseTo(first('plain'), 3);
  });

  it('given by hand do the same, in whatever number of batches a step is made', async () => {
    const weights = 'class_weights={common: 0.5714285714285714, rare: 4}';
    const settings = ['max_steps=8', 'train_sampling_strategy=random', 'logging_steps=1', 'eval_strategy=no'];
    const losses = async (...words: string[]) => {
      const name = `output_dir=by-hand-${words.length}-${words[0]!.length}`;
      await train(['recipe.json', ...settings, ...words, name]);
      const lines = readLines<{ loss: number }>(folder, name.slice('output_dir='.length), 'metrics.jsonl');
      return lines.map(({ loss }) => loss);
    };
    const expected = await losses('class_weights=balanced');
    expect(await losses(weights)).toEqual(expected.map((loss) => expect.closeTo(loss, 6)));
    const parts = ['per_device_train_batch_size=4', 'gradient_accumulation_steps=2'];
    expect(await losses(weights, ...parts)).toEqual(expected.map((loss) => expect.closeTo(loss, 4)));
  });
});

describe('a threshold that is chosen', () => {
  let run: UnbalancedRun;
  beforeAll(async () => {
    run = await train(['recipe.json', 'threshold=auto', 'output_dir=chosen']);
  });
  const f1At = (threshold: number) => {
    const rows = readLines<{ label: string; scores: { rare: number } }>(folder, 'chosen/predictions.jsonl');
    const count = (test: (row: (typeof rows)[number]) => boolean) => rows.filter(test).length;
    const hits = count(({ label, scores }) => label === 'rare' && scores.rare >= threshold);
    return hits / (hits + count(({ label, scores }) => (label === 'rare') !== scores.rare >= threshold) / 2);
  };

  it('has the largest F1 on the validation rows, and the metrics are those with it', () => {
    expect(run.threshold).toBeLessThan(0.4);
    expect(run.metrics.f1).toBeCloseTo(f1At(run.threshold!), 12);
    for (let percent = 1; percent < 100; percent++) {
      expect(f1At(percent / 100), `${percent} %`).toBeLessThanOrEqual(run.metrics.f1! + 1e-12);
    }
    expect(run.metrics.f1).toBeGreaterThan(f1At(0.5));
    const answers = readLines<{ prediction: string; scores: { rare: number } }>(folder, 'chosen/predictions.jsonl');
    for (const { prediction, scores } of answers) {
      expect(prediction).toBe(scores.rare >= run.threshold! ? 'rare' : 'common');
    }
  });

  it('does not look at the test rows', async () => {
    const tested = await train(['recipe.json', 'threshold=auto', 'data.test=test.jsonl', 'output_dir=tested']);
    expect(tested.threshold).toBe(run.threshold);
    const answers = readLines<{ correct: boolean }>(folder, 'tested/predictions.jsonl');
    expect(answers.filter(({ correct }) => correct).length / 80).toBeCloseTo(tested.metrics.accuracy!, 12);
    expect(tested.metrics.recall).toBe(1);
    writeRows(folder, 'other.jsonl', mixed(80, { from: 160, every: 1 }).reverse());
    const words = ['threshold=auto', 'data.validation=other.jsonl', 'max_steps=60', 'output_dir=otherwise'];
    expect((await train(['recipe.json', ...words])).threshold).not.toBe(run.threshold);
  });

  it('decides what predict and eval answer, from the run or from its model', async () => {
    expect(readJson(folder, 'chosen/model/attune.json')).toEqual({
      format: 1,
      kind: 'model',
      threshold: run.threshold,
    });
    for (const target of ['chosen', 'chosen/model']) {
      const { stdout } = await attune(['predict', target, unsure, 'bad the film bad', '--json'], place);
      const [first, second] = linesOf<{ label: string; score: number; scores: { rare: number } }>(stdout);
      expect(first!.label).toBe('rare');
      expect(first!.score).toBe(first!.scores.rare);
      expect(first!.score).toBeGreaterThanOrEqual(run.threshold!);
      expect(first!.score).toBeLessThan(0.5);
      expect(second!.label).toBe('common');
    }
    const evaluated = await attune(['eval', 'chosen', '--json'], place);
    const { metrics } = objectOf<Run>(evaluated);
    for (const [name, value] of Object.entries(run.metrics)) expect(metrics[name], name).toBeCloseTo(value, 5);
  });

  it('goes with an adapter too', async () => {
    const words = ['method=lora', 'learning_rate=0.02', 'threshold=auto', 'output_dir=adapted'];
    const adapted = await train(['recipe.json', ...words]);
    expect(readJson(folder, 'adapted/adapter/attune.json').threshold).toBe(adapted.threshold);
    for (const target of ['adapted', 'adapted/adapter']) {
      const { stdout } = await attune(['predict', target, '--input', 'validation.jsonl', '--json'], place);
      const answers = linesOf<{ label: string; scores: { rare: number } }>(stdout);
      for (const { label, scores } of answers) {
        expect(label).toBe(scores.rare >= adapted.threshold! ? 'rare' : 'common');
      }
      expect(answers.some(({ label, scores }) => label === 'rare' && scores.rare < 0.5)).toBe(true);
    }
  });
});

describe('a threshold that is given', () => {
  it('holds from the first evaluation on', async () => {
    const run = await train(['recipe.json', 'threshold=0.0001', 'max_steps=20', 'output_dir=low']);
    expect(run.threshold).toBe(0.0001);
    expect(run.before.recall).toBe(1);
    expect(run.metrics).toMatchObject({ recall: 1, accuracy: 0.125 });
    const { stdout } = await attune(['predict', 'low', 'bad the film bad', '--json'], place);
    expect(linesOf<{ label: string }>(stdout)[0]!.label).toBe('rare');
  });

  it('is refused where a model has more labels', async () => {
    cpSync(tinyModel, join(folder, 'three'), { recursive: true });
    writeFileSync(join(folder, 'three/attune.json'), '{"format": 1, "kind": "model", "threshold": 0.3}');
    const finished = await attune(['predict', 'three', 'good', '--json'], place);
    expect(finished.code).toBe(2);
    expect(errorOf(finished)).toMatchObject({ code: 'RUN_INVALID', problem: expect.stringContaining('it has 3') });
  });
});

const refusals: Refusal[] = [
  {
    name: 'a weight of a label that is not there',
    make: () => ['train', 'recipe.json', 'class_weights={negative: 1, positve: 2}'],
    says: {
      code: 'CONFIG_INVALID',
      where: 'training.class_weights.positve',
      problem: "'positve'",
      fix: "did you mean 'positive'?",
    },
  },
  {
    name: 'a threshold for three labels',
    make: () => ['train', 'recipe.json', 'threshold=auto'],
    says: { code: 'CONFIG_INVALID', where: 'evaluation.threshold', problem: 'has 3', fix: 'remove it' },
  },
  {
    name: 'a threshold without data to choose it on',
    make: () => ['train', 'recipe.json', 'threshold=auto', '~data.validation', 'validation_split=0'],
    says: { code: 'CONFIG_INVALID', where: 'threshold=auto', problem: 'no validation data', fix: 'data.validation' },
  },
];

describe('refused before a folder is made', () => {
  for (const refusal of refusals) {
    it(refusal.name, () => {
      const good = temporaryFolder();
      writeReviews(good);
      writeRecipe(good, tinyRecipe());
      return expectRefusal(refusal, good);
    });
  }
});
