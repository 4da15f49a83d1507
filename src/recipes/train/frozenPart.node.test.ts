import { expect, test } from 'vitest';
import type { EncodedRow } from '../../data/batch.ts';
import { requireJson } from '../../files/modelFolder.node.ts';
import { attachMethod } from '../../methods/index.ts';
import { describeModel } from '../../models/index.ts';
import { buildProgram } from '../../models/nn/index.ts';
import { classify } from '../../tasks/index.ts';
import { parseRecipe, type RecipeInput } from '../schema/index.ts';
import { divide } from './frozenPart.node.ts';

const folder = 'tests/golden/bert-tiny/model';
const description = describeModel(await requireJson(folder, 'config.json'), folder);

function divided(trainable: 'head' | number, training: RecipeInput['training'], tokens = 4) {
  const recipe = parseRecipe(
    {
      model: folder,
      task: 'text-classification',
      data: { train: 'train.jsonl' },
      method: { name: 'freeze', trainable },
      training,
    },
    'test',
  );
  const build = (dropoutRate?: () => number) =>
    buildProgram(classify(description, { numLabels: 2 }), {
      methods: [attachMethod(recipe.method, description.architecture)],
      dropoutRate,
    });
  const programs = { learning: build(() => 0.1), measured: build() };
  // Only the lengths of rows are looked at.
  const rows = [{ inputIds: { length: tokens }, tokenTypeIds: [], label: 0 }] as unknown as EncodedRow[];
  const train = { examples: [], rows, truncated: 0, dropped: 0 };
  return { ...divide(recipe, programs, { train }), programs };
}

test('features are read where they are kept; a cache that is off changes no dropout', () => {
  const kept = divided('head', {});
  expect(kept.cuts).toBeDefined();
  expect(kept.learning.masks).toHaveLength(1);
  const off = divided('head', { feature_cache: 'off' });
  expect(off.cuts).toBeUndefined();
  expect(off.learning.masks).toHaveLength(1);
  expect(off.learning.parameters.length).toBeGreaterThan(10);
});

test('a dropout that was asked for stays everywhere', () => {
  const { learning, cuts, programs } = divided('head', { dropout: 0.1 });
  expect(cuts).toBeUndefined();
  expect(learning).toBe(programs.learning);
});

test('what neither memory nor disk can hold is computed at every step, and the run says so', () => {
  const { learning, cuts, refused } = divided(1, {}, 1e15);
  expect(cuts).toBeUndefined();
  expect(refused).toMatch(/at every step: \d+\.\d GB of memory and disk are missing/);
  expect(learning.masks.every(({ name }) => /layer\.2|classifier/.test(name))).toBe(true);
});
