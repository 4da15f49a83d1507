import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AttuneError } from '../../errors/index.ts';
import { listPlaces } from './declaration.ts';
import { applyOverrides } from './overrides.ts';
import { parseRecipe, placed, resolveRecipe } from './parseRecipe.ts';
import { parseYaml } from './yamlDocument.ts';

/** Whatever comes in, a recipe comes out or an error that a user can read. */
function acceptsOrExplains(run: () => unknown): void {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(AttuneError);
    const { where, problem, fix } = error as AttuneError;
    for (const text of [where, problem, fix]) expect(text.trim()).not.toBe('');
  }
}

const names = listPlaces().map(({ path }) => path.at(-1) ?? '');
const keys = fc.oneof(fc.constantFrom(...names), fc.string({ maxLength: 6 }));
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom(null, true, 0, 3, -1, 0.5, Number.NaN, '', 'auto', 'full', 'steps', 'no', '3'),
    fc.string({ maxLength: 6 }),
    fc.array(tie('value'), { maxLength: 3 }),
    fc.dictionary(keys, tie('value'), { maxKeys: 5 }),
  ),
}));

test('any object', () => {
  fc.assert(
    fc.property(value, (input) => acceptsOrExplains(() => parseRecipe(input, 'recipe.yaml'))),
    { numRuns: 300 },
  );
});

test('any values of the settings', () => {
  const recipe = fc.record(
    {
      model: value,
      task: fc.constant('text-classification'),
      data: fc.oneof(value, fc.dictionary(keys, value)),
      method: value,
      training: fc.dictionary(keys, value),
      evaluation: fc.dictionary(keys, value),
    },
    { requiredKeys: [] },
  );
  fc.assert(
    fc.property(recipe, (input) => acceptsOrExplains(() => parseRecipe(input, ''))),
    { numRuns: 300 },
  );
});

test('any text as YAML', () => {
  const line = fc.constantFrom(
    'data:',
    '  train: a',
    '- b',
    '\t',
    '&a',
    '*a',
    ': ',
    '{',
    ']',
    '"',
    '? x',
    '#',
    '---',
    '!t',
  );
  const text = fc.oneof(
    fc.string(),
    fc.array(line).map((lines) => lines.join('\n')),
  );
  fc.assert(
    fc.property(text, (input) => acceptsOrExplains(() => parseYaml(input, 'recipe.yaml'))),
    { numRuns: 500 },
  );
});

test('any arguments', () => {
  const document = {
    document: { model: 'm', method: 'full' },
    placeOf: (path: readonly PropertyKey[]) => placed('r', path),
  };
  const key = fc.oneof(
    fc.array(keys, { maxLength: 3 }).map((parts) => parts.join('.')),
    fc.string(),
  );
  const argument = fc.tuple(fc.constantFrom('', '~'), key, fc.constantFrom('', '='), fc.string());
  const list = fc.array(
    argument.map((parts) => parts.join('')),
    { maxLength: 3 },
  );
  fc.assert(
    fc.property(list, (words) => acceptsOrExplains(() => resolveRecipe(applyOverrides(document, words)))),
    { numRuns: 300 },
  );
});
