import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { listPlaces, listSettings } from './declaration.ts';
import { recipeJsonSchema, recipeJsonSchemaText } from './jsonSchema.ts';
import { recipeReference } from './reference.ts';

const file = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

test('attune.schema.json equals the declaration (npm run schema writes it)', () => {
  expect(file('attune.schema.json')).toBe(recipeJsonSchemaText());
});

test('docs/reference/recipe.md equals the declaration (npm run schema writes it)', () => {
  expect(file('docs/reference/recipe.md')).toBe(recipeReference());
});

test('every setting says what it does, and is on the page', () => {
  for (const { path, declared } of listSettings()) {
    if (path[0] !== 'method') expect(declared.description, path.join('.')).toMatch(/\.$/);
    if (path[0] !== '$schema' && path[0] !== 'method') expect(recipeReference()).toContain(path.slice(1).join('.'));
  }
});

test('no setting is known by a name that another setting has or is known by', () => {
  const names = listPlaces()
    .filter(({ declared }) => declared.sameAs === undefined)
    .flatMap(({ path, declared }) => [path.at(-1), ...(declared.aliases ?? [])]);
  // AdaLoRA's, by PEFT's names: the group in which one was written says which is meant.
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual(['beta1', 'beta2']);
});

test('another reader of JSON Schema takes and refuses the same', () => {
  const schema = z.fromJSONSchema(recipeJsonSchema() as z.core.JSONSchema.JSONSchema);
  const recipe = { model: 'm', task: 'text-classification', data: { train: ['a', 'b'] } };
  const accepted = [recipe, { ...recipe, method: 'full' }, { ...recipe, method: { name: 'full' }, threads: 2 }];
  const refused = [
    {},
    { ...recipe, epochs: 3 },
    { ...recipe, method: 'lorra' },
    { ...recipe, training: { learning_rate: 0 } },
    { ...recipe, data: { train: '' } },
    { ...recipe, data: { train: 'a', max_length: 4 } },
    { ...recipe, evaluation: { eval_steps: 1.5 } },
  ];
  for (const input of accepted) expect(schema.safeParse(input).error).toBeUndefined();
  for (const input of refused) expect(schema.safeParse(input).success, JSON.stringify(input)).toBe(false);
});
