import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { AttuneError } from '../../../errors/index.ts';
import { parseRecipe, type RecipeInput } from '../../schema/index.ts';
import { balanced, classWeights, refuseThreshold } from './labelSettings.ts';

const golden = JSON.parse(
  readFileSync(new URL('../../../../tests/golden/weighted_loss.json', import.meta.url), 'utf8'),
) as { balanced: { counts: number[]; weights: number[] }[] };

test.each(golden.balanced)('balanced weights for $counts equal scikit-learn', ({ counts, weights }) => {
  balanced(counts).forEach((weight, i) => {
    expect(weight).toBeCloseTo(weights[i]!, 12);
  });
});

const recipe = (changes: Partial<RecipeInput>) =>
  parseRecipe({ model: 'm', task: 'text-classification', data: { train: 'a' }, ...changes }, '');
const examples = ['ham', 'ham', 'ham', 'spam'].map((label, i) => ({ text: 'x', label, where: `a:${i}` }));
const weights = (given: NonNullable<RecipeInput['training']>['class_weights']) =>
  classWeights(recipe({ training: { class_weights: given } }), ['ham', 'spam'], examples);

test('weights come in the order of the labels', () => {
  expect(weights('none')).toBeUndefined();
  expect(weights('balanced')).toEqual([4 / 6, 2]);
  expect(weights({ spam: 5 })).toEqual([1, 5]);
  expect(classWeights(recipe({ training: { class_weights: {} } }), ['constructor', 'x'], examples)).toEqual([1, 1]);
});

function refusal(run: () => unknown): object {
  try {
    run();
  } catch (error) {
    if (!(error instanceof AttuneError)) throw error;
    const { code, where, problem, fix } = error;
    return { code, where, problem, fix };
  }
  throw new Error('it was accepted');
}

test('a weight of an unknown label names the label that was meant', () => {
  expect(refusal(() => weights({ ham: 1, spma: 3 }))).toEqual({
    code: 'CONFIG_INVALID',
    where: 'training.class_weights.spma',
    problem: "no training row has the label 'spma'",
    fix: "did you mean 'spam'? the labels are ham, spam",
  });
});

test('a threshold needs two labels', () => {
  const withThreshold = recipe({ evaluation: { threshold: 0.3 } });
  expect(() => refuseThreshold(withThreshold, ['a', 'b'])).not.toThrow();
  expect(() => refuseThreshold(recipe({}), ['a', 'b', 'c'])).not.toThrow();
  expect(refusal(() => refuseThreshold(withThreshold, ['a', 'b', 'c']))).toMatchObject({
    code: 'CONFIG_INVALID',
    where: 'evaluation.threshold',
    problem: expect.stringMatching(/^got 0\.3, .*has 3$/),
  });
});
