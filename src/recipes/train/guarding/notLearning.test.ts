import { describe, expect, test } from 'vitest';
import { parseRecipe, type RecipeInput } from '../../schema/index.ts';
import { priorLoss, watchLearning } from './notLearning.ts';

describe('the loss of answering by the labels alone', () => {
  test('is the entropy of their shares', () => {
    expect(priorLoss([50, 50])).toBeCloseTo(Math.LN2, 12);
    expect(priorLoss([90, 10])).toBeCloseTo(-(0.9 * Math.log(0.9) + 0.1 * Math.log(0.1)), 12);
    expect(priorLoss([5, 0])).toBe(0);
  });

  test('is the least that a constant answer reaches under class weights and smoothing', () => {
    const [counts, classWeights, labelSmoothing] = [[70, 20, 10], [1, 2, 5], 0.1] as const;
    /** The training loss of one answer to all rows, written out as tasks/loss.ts defines it. */
    const lossOf = (logits: readonly number[]): number => {
      const normaliser = Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0));
      const losses = logits.map((z) => normaliser - z);
      const even = losses.reduce((sum, loss, k) => sum + classWeights[k]! * loss, 0) / 3;
      const total = counts.reduce((sum, n, k) => sum + n * (0.9 * classWeights[k]! * losses[k]! + 0.1 * even), 0);
      return total / counts.reduce((sum, n, k) => sum + n * classWeights[k]!, 0);
    };
    let least = Number.POSITIVE_INFINITY;
    for (let a = -3; a <= 3; a += 0.01) for (let b = -3; b <= 3; b += 0.01) least = Math.min(least, lossOf([0, a, b]));
    expect(priorLoss(counts, { classWeights, labelSmoothing })).toBeCloseTo(least, 4);
  });
});

const recipeOf = (changes: Partial<RecipeInput> = {}) =>
  parseRecipe({ model: 'm', task: 'text-classification', data: { train: 'a' }, ...changes }, '');
const prior = { training: 0.69, of: "the labels' shares", validation: 0.68 };
const watch = (changes: Partial<RecipeInput> = {}, before?: number) =>
  watchLearning({ prior, before: () => before, recipe: recipeOf(changes), totalSteps: 100 });
const chance = { step: 50, losses: new Array<number>(50).fill(0.69) };

describe('a watch', () => {
  test('speaks once, of an evaluation that is not below chance', () => {
    const watching = watch();
    watching.evaluated(0.685);
    expect(watching.judge(chance)).toMatch(
      /^not learning: after 50 steps the lowest validation loss is 0\.6850, .* has 0\.6800\./,
    );
    expect(watching.judge(chance)).toBeUndefined();
  });

  test('is quiet where one evaluation was below it: what comes later is another matter', () => {
    const watching = watch();
    watching.evaluated(0.5);
    watching.evaluated(0.9);
    expect(watching.judge(chance)).toBeUndefined();
  });

  test('waits for the end where the training loss has begun to fall', () => {
    const watching = watch();
    watching.evaluated(0.7);
    const falling = { step: 50, losses: new Array<number>(20).fill(0.66) };
    expect(watching.judge(falling)).toBeUndefined();
    expect(watching.judge({ ...falling, step: 100 })).toMatch(
      /^not learning: after 100 steps the lowest validation loss/,
    );
  });

  test('is quiet while a rate cannot have shown what it does', () => {
    const watching = watch({ training: { warmup_steps: 20 } });
    watching.evaluated(0.7);
    expect(watching.judge({ ...chance, step: 59 })).toBeUndefined();
    expect(watching.judge({ ...chance, step: 60 })).toBeDefined();
  });

  test('says nothing of a model that started above chance while its loss falls', () => {
    const falling = Array.from({ length: 50 }, (_, i) => 2 - i / 100);
    const above = (startsAbove: boolean) =>
      watchLearning({ prior: { ...prior, startsAbove }, before: () => undefined, recipe: recipeOf(), totalSteps: 50 });
    expect(above(true).judge({ step: 50, losses: falling })).toBeUndefined();
    expect(above(false).judge({ step: 50, losses: falling })).toContain('not learning');
    expect(above(true).judge({ step: 50, losses: falling.map(() => 2) })).toContain('not learning');
  });

  test('knows a loss that is below chance by luck, and stays there', () => {
    const watching = watch({}, 0.65);
    watching.evaluated(0.649);
    expect(watching.judge(chance)).toContain('before training it was 0.6500');
    const learned = watch({}, 0.65);
    learned.evaluated(0.64);
    expect(learned.judge(chance)).toBeUndefined();
    const trained = watch({}, 0.2);
    trained.evaluated(0.2);
    expect(trained.judge(chance)).toBeUndefined();
  });

  test('goes by the training loss without validation, and where the validation measures something else', () => {
    expect(watch().judge(chance)).toContain('the training loss is 0.6900');
    expect(
      watch().judge({ ...chance, losses: [...chance.losses, ...new Array<number>(20).fill(0.6)] }),
    ).toBeUndefined();
    const weighted = watch({ training: { class_weights: 'balanced' } });
    weighted.evaluated(0.9);
    expect(weighted.judge({ step: 50, losses: [0.5] })).toBeUndefined();
  });

  test('says whether the rate is too low or too high, and names a head that is alone', () => {
    expect(watch({ method: { name: 'freeze' } }).judge(chance)).toContain(
      'is too low for method freeze; the head alone',
    );
    expect(watch().judge({ ...chance, losses: [0.8] })).toContain('is too high for method full');
  });

  test('keeps plain data', () => {
    const watching = watch();
    watching.evaluated(0.7);
    const other = watch();
    other.restore(JSON.parse(JSON.stringify(watching.state())));
    expect(other.state()).toEqual({ lowest: 0.7, told: false });
  });
});
