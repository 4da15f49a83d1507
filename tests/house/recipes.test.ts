/** Recipes that are shown can be copied: they parse, and of docs/guide/methods.md each part fits a model. */
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { methods } from '../../src/methods/index.ts';
import { parameterGroups } from '../../src/methods/parameterGroups.ts';
import { parseRecipe, type Recipe } from '../../src/recipes/schema/index.ts';
import { openPartial } from '../golden/partial.ts';
import { filesBelow, read } from './files.ts';

const smallest = { model: 'org/small', task: 'text-classification', data: { train: 'train.jsonl' } };
const pages = ['README.md', 'README.zh-CN.md', ...filesBelow('docs').filter((file) => file.endsWith('.md'))];

/** Blocks of YAML, whatever they are indented by. */
const blocksOf = (page: string): string[] =>
  [...read(page).matchAll(/^( *)```yaml\n(.*?)^\1```$/gms)].map(([, indent, text]) => {
    return text!.replaceAll(new RegExp(`^${indent}`, 'gm'), '');
  });

/** A part of a recipe becomes a whole one. */
const recipeOf = (text: string, where: string): Recipe => parseRecipe({ ...smallest, ...parse(text) }, where);

const shown = pages.flatMap((page) => blocksOf(page).map((text, index) => ({ page, index, text })));

test.each(shown)('block $index of YAML in $page is a recipe, or a part of one', ({ page, text }) => {
  expect(() => recipeOf(text, page)).not.toThrow();
});

describe('docs/guide/methods.md', () => {
  const page = 'docs/guide/methods.md';
  const rows = [...read(page).matchAll(/^\|[^|]*\| `(method: [^`]*)` \|/gm)].map(([, text]) => text!);

  test('shows how each method is written', () => {
    const names = rows.map((text) => recipeOf(text, page).method.name);
    expect([...new Set(names)].sort()).toEqual(Object.keys(methods).sort());
  });

  test.each([...rows, ...blocksOf(page)])('%s', async (text) => {
    const { method, training } = recipeOf(text, page);
    const { parameter_groups: groups, learning_rate: rate } = training;
    const others = groups ? [parameterGroups(groups, rate)] : [];
    const run = { totalSteps: 30, stepsOfEpoch: [10, 10, 10] };
    const { memory } = await openPartial(method, { others, run, tokenIds: () => [5, 6] });
    expect(memory.trained.size).toBeGreaterThan(0);
  });
});
