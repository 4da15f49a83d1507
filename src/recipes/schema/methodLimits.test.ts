/** What settings of methods take, in the words of their errors. */
import { expect, test } from 'vitest';
import { parseRecipe } from './parseRecipe.ts';

const smallest = { model: 'org/small', task: 'text-classification', data: { train: 'train.jsonl' } };

test.each([
  [{ name: 'vera', d_initial: 0 }, 'd_initial', 'give a number that is not 0: from 0 nothing learns'],
  [{ name: 'lora', rank_pattern: { query: 0 } }, 'rank_pattern.query', 'give a whole number of at least 1'],
  [{ name: 'dora', alpha_pattern: { query: -1 } }, 'alpha_pattern.query', 'give a number above 0'],
  [{ name: 'full', layer_lr_decay: 2 }, 'layer_lr_decay', 'give a number above 0, and at most 1'],
])('%j is refused', (method, key, fix) => {
  expect(() => parseRecipe({ ...smallest, method }, '')).toThrow(
    expect.objectContaining({ code: 'CONFIG_INVALID', where: `method.${key}`, fix }),
  );
});

test('full has no base that could be rounded, and says why', () => {
  const method = { name: 'full', base_precision: 'int8' };
  expect(() => parseRecipe({ ...smallest, method }, '')).toThrow(
    expect.objectContaining({
      code: 'CONFIG_UNKNOWN_KEY',
      where: 'method.base_precision',
      fix: 'full trains the weights that it would round: use lora over such a base',
    }),
  );
});

test.each(
  ['prompt_tuning', 'prefix_tuning', 'p_tuning'].flatMap((name) => [
    [name, 'layer_lr_decay', 0.5] as const,
    [name, 'unfreeze_schedule', 1] as const,
  ]),
)('%s has no %s, and says why', (name, key, value) => {
  expect(() => parseRecipe({ ...smallest, method: { name, [key]: value } }, '')).toThrow(
    expect.objectContaining({
      code: 'CONFIG_UNKNOWN_KEY',
      where: `method.${key}`,
      fix: 'remove it: what this method trains is there once for all layers',
    }),
  );
});

test.each(['lora', 'dora'])("%s does not take MLX-LM's scale for lora_alpha, which is r times as much", (name) => {
  expect(() => parseRecipe({ ...smallest, method: { name, scale: 20 } }, '')).toThrow(
    expect.objectContaining({
      code: 'CONFIG_UNKNOWN_KEY',
      where: 'method.scale',
      fix: "give lora_alpha, r times as much: MLX-LM's scale is lora_alpha / r",
    }),
  );
});
