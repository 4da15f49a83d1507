import { expect, test } from 'vitest';
import { parseRecipe, type RecipeInput } from '../../schema/index.ts';
import { runTasks } from './index.ts';

const recomputed = (task: 'sft' | 'text-classification', method: object, training: object = {}): string => {
  const recipe = { model: 'folder', task, data: { train: 'rows.jsonl' }, method, training } as RecipeInput;
  return runTasks[task].recompute(parseRecipe(recipe, 'recipe'));
};

test('language models keep little of a block, over 4 bits nothing but its inputs; what is asked for goes before', () => {
  const over = (base_precision: string) => ({ name: 'lora', base_precision });
  expect(recomputed('sft', over('fp32'))).toBe('cheap');
  expect(recomputed('sft', over('int4'))).toBe('all');
  expect(recomputed('sft', over('int4'), { gradient_checkpointing: false })).toBe('cheap');
  expect(recomputed('sft', { name: 'full' }, { gradient_checkpointing: true })).toBe('all');
  expect(recomputed('text-classification', over('int4'))).toBe('none');
  expect(recomputed('text-classification', over('int4'), { gradient_checkpointing: true })).toBe('all');
});
