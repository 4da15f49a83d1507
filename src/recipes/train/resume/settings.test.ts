import { expect, test } from 'vitest';
import { listSettings } from '../../schema/declaration.ts';
import { parseRecipe } from '../../schema/index.ts';
import { freeSettings, learningSettings } from './settings.ts';

const recipe = (training: object, rest: object = {}) =>
  parseRecipe({ model: 'm', task: 'text-classification', data: { train: 'a' }, training, ...rest }, '');

test('every free setting exists', () => {
  const known = listSettings().map(({ path }) => path.join('.'));
  expect([...freeSettings].filter((key) => !known.includes(key))).toEqual([]);
});

test('what is logged and saved, and where, does not change what is learned', () => {
  const changed = recipe(
    { logging_steps: 1, save_steps: 3, save_minutes: 5, save_total_limit: 1 },
    { output_dir: 'x' },
  );
  expect(learningSettings(changed)).toEqual(learningSettings(recipe({})));
});

test('what the optimizer, the schedule and the method do is told by its key', () => {
  expect(learningSettings(recipe({ num_train_epochs: 2 }, { method: { name: 'lora', r: 4 } }))).toMatchObject({
    'training.num_train_epochs': 2,
    'training.learning_rate': 5e-4,
    'method.name': 'lora',
    'method.r': 4,
  });
});
