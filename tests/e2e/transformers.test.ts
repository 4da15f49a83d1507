/** What Attune saves, Transformers opens: same tokens, same scores. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { attune, linesOf, temporaryFolder, train, writeRecipe } from './attune.ts';
import { reviews, tinyRecipe, writeReviews, writeRows, writeTexts } from './reviews.ts';

const python = process.env.ATTUNE_TEST_PYTHON;
if (!python) console.warn('SKIPPED: saved models in Transformers (set ATTUNE_TEST_PYTHON to a python that has it)');
const opener = join(import.meta.dirname, '../../tools/golden/open_saved.py');

interface Opened {
  readonly logits: readonly (readonly number[])[];
  readonly labels: readonly string[];
  readonly id2label: Readonly<Record<string, string>>;
  readonly loading: Readonly<Record<string, readonly string[]>>;
}

interface Answer {
  readonly label: string;
  readonly scores: Readonly<Record<string, number>>;
}

/** Fails when Transformers misses a weight, or finds one it does not know. */
function openInTransformers(folder: string, model: string, texts: readonly unknown[]): Opened {
  writeFileSync(join(folder, 'texts.json'), JSON.stringify({ texts }));
  const words = [opener, join(folder, model), join(folder, 'texts.json')];
  return JSON.parse(execFileSync(python!, words, { encoding: 'utf8' })) as Opened;
}

function softmax(logits: readonly number[]): number[] {
  const weights = logits.map((logit) => Math.exp(logit - Math.max(...logits)));
  return weights.map((weight) => weight / weights.reduce((a, b) => a + b));
}

/** Scores within 1e-4 of each other, and so, up to a shift that softmax does not see, the logits. */
function expectSame(answers: readonly Answer[], { logits, labels }: Opened, names: readonly string[]): void {
  expect(answers.map(({ label }) => label)).toEqual(labels);
  for (const [i, { scores }] of answers.entries()) {
    const ours = names.map((name) => scores[name]!);
    const theirs = softmax(logits[i]!);
    ours.forEach((score, at) => {
      expect(Math.abs(score - theirs[at]!)).toBeLessThan(1e-4);
      const difference = Math.log(score / ours[0]!) - (logits[i]![at]! - logits[i]![0]!);
      expect(Math.abs(difference)).toBeLessThan(1e-4);
    });
  }
}

describe.skipIf(!python)('Transformers', () => {
  it('opens a saved model and gives the same scores for texts', async () => {
    const folder = temporaryFolder();
    writeReviews(folder);
    writeRecipe(folder, tinyRecipe({ training: { num_train_epochs: 2, dropout: 0.1 } }));
    const { labels } = await train(['recipe.json', 'max_length=40'], { cwd: folder });
    const texts = [
      ...reviews(12, 300).map(({ text }) => text),
      'The MOVIE was not good!',
      '电影 好, 坏?',
      'unknown-words: zebra ☃ café 12.5',
      'good '.repeat(60),
      'a',
    ];
    writeTexts(folder, texts);
    const { code, stdout } = await attune(['predict', 'run', '--input', 'texts.jsonl', '--json'], { cwd: folder });
    expect(code, stdout).toBe(0);
    const opened = openInTransformers(folder, 'run/model', texts);
    expect(opened.loading).toEqual(Object.fromEntries(Object.keys(opened.loading).map((name) => [name, []])));
    expect(Object.values(opened.id2label)).toEqual(labels);
    expectSame(linesOf<Answer>(stdout), opened, labels);
  });

  it('opens a model with a new head of other labels, for pairs', async () => {
    const folder = temporaryFolder();
    const pairs = reviews(60).map(({ text, label }) => ({
      premise: text,
      hypothesis: `${text} ${label}`,
      label: label[0],
    }));
    writeRows(folder, 'train.csv', pairs);
    writeRecipe(
      folder,
      tinyRecipe({ data: { train: 'train.csv', validation: undefined }, training: { max_steps: 5 } }),
    );
    const { labels } = await train(['recipe.json', 'max_length=40'], { cwd: folder });
    expect(labels).toEqual(['n', 'p']);
    writeRows(folder, 'asked.csv', pairs);
    const { stdout } = await attune(['predict', 'run', '--input', 'asked.csv', '--json'], { cwd: folder });
    const texts = pairs.map(({ premise, hypothesis }) => [premise, hypothesis]);
    expectSame(linesOf<Answer>(stdout), openInTransformers(folder, 'run/model', texts), labels);
  });
});
