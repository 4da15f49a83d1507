import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AttuneError } from '../../errors/index.ts';
import { besideRecipe } from './besideRecipe.node.ts';
import { loadRecipe } from './loadRecipe.node.ts';

const folder = mkdtempSync(join(tmpdir(), 'attune-recipe-'));

function write(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function refused(file: string, overrides: string[] = []): Promise<string> {
  const error = await loadRecipe(file, overrides).catch((caught: unknown) => caught);
  if (!(error instanceof AttuneError)) throw new Error(`no AttuneError: ${String(error)}`);
  return error.message.replaceAll(`${folder}/`, '');
}

const good = 'model: org/small\ntask: text-classification\ndata:\n  train: train.jsonl\n';

test('reads YAML and JSON alike and names the run after the file', async () => {
  const yaml = await loadRecipe(write('sst2.v1.yaml', `${good}training: {learning_rate: 5e-4, max_steps: -1}\n`));
  expect(yaml).toMatchObject({ output_dir: 'runs/sst2.v1', training: { learning_rate: 5e-4 } });
  const json = { model: 'org/small', task: 'text-classification', data: { train: 'train.jsonl' } };
  const tabbed = write('small.json', `\uFEFF${JSON.stringify(json, null, '\t')}`);
  expect(await loadRecipe(tabbed)).toEqual(await loadRecipe(write('small.yml', good)));
});

test('anchors share values', async () => {
  const text = `${good}  validation: &held [a.csv, b.csv]\n  test: *held\n`;
  expect((await loadRecipe(write('anchors.yaml', text))).data.test).toEqual(['a.csv', 'b.csv']);
});

test('problems name the line of their key', async () => {
  const text = `${good}  columns:\n    text: body\n    lable: y\n\ntraining:\n  # too high\n  learning_rate:\n    -1\n`;
  expect(await refused(write('lines.yaml', text))).toMatchInlineSnapshot(`
    "lines.yaml:7 data.columns.lable: there is no setting \`data.columns.lable\`
      fix: did you mean \`label\`? (the keys of \`data.columns\` are text, pair, label, messages, prompt, completion, instruction, input, output, system, history, tools)  [CONFIG_UNKNOWN_KEY]
    lines.yaml:11 training.learning_rate: got -1
      fix: give auto, or a number above 0  [CONFIG_INVALID]"
  `);
  const json = '{\n  "model": "m",\n  "task": "text-classification",\n  "data": {"train": ["a",\n ""]}\n}';
  expect(await refused(write('lines.json', json))).toMatchInlineSnapshot(`
    "lines.json:5 data.train[1]: got ""
      fix: give a text that is not empty  [CONFIG_INVALID]"
  `);
  expect(await refused(write('missing.yaml', 'model: m\n\ndata:\n  test: a\n'))).toMatchInlineSnapshot(`
    "missing.yaml task: is missing
      fix: add it: one of text-classification, sft, causal-lm  [CONFIG_INVALID]
    missing.yaml:3 data.train: is missing
      fix: add it: a path, a glob, a folder, or a list of them  [CONFIG_INVALID]"
  `);
});

test('files that are no recipe name the line', async () => {
  const texts = {
    'a key given twice': 'a: 1\nb: 2\na: 3\n',
    'a tab': 'data:\n\ttrain: a\n',
    'an open list': 'data: [1,\nmodel: x\n',
    'an open quote': 'model: "x\ntask: y\n',
    'uneven indentation': 'data:\n   train: a\n  test: b\n',
    'a tag': 'model: !!python/object x\n',
    'two documents': 'model: x\n---\nmodel: y\n',
    'a glob without quotes': 'data:\n  train: *.jsonl\n',
    'a key that is a list': '? [a, b]\n: 1\n',
    nothing: '# nothing yet\n',
    'a list': '- model\n',
    'a word': 'model\n',
  };
  const messages: string[] = [];
  for (const [name, text] of Object.entries(texts)) {
    messages.push(`${name}: ${await refused(write('broken.yaml', text))}`);
  }
  expect(messages.join('\n')).toMatchInlineSnapshot(`
    "a key given twice: broken.yaml:3: a key is given twice: a: 3
      fix: keep one of the two  [CONFIG_FILE]
    a tab: broken.yaml:2: a tab is used as indentation: train: a
      fix: indent with spaces  [CONFIG_FILE]
    an open list: broken.yaml:2: Flow sequence in block collection must be sufficiently indented and end with a ]: model: x
      fix: mend the YAML there  [CONFIG_FILE]
    an open quote: broken.yaml:3: Missing closing "quote
      fix: mend the YAML there  [CONFIG_FILE]
    uneven indentation: broken.yaml:3: All mapping items must start at the same column: test: b
      fix: mend the YAML there  [CONFIG_FILE]
    a tag: broken.yaml:1: Unresolved tag: tag:yaml.org,2002:python/object: model: !!python/object x
      fix: remove the tag, the word that starts with !  [CONFIG_FILE]
    two documents: broken.yaml:2: a second document starts here: ---
      fix: keep one recipe in a file, without lines of ---  [CONFIG_FILE]
    a glob without quotes: broken.yaml:2: a value that starts with * refers to an anchor, and there is none: train: *.jsonl
      fix: put the value in quotes  [CONFIG_FILE]
    a key that is a list: broken.yaml:1: a key is not a plain word: ? [a, b]
      fix: mend the YAML there  [CONFIG_FILE]
    nothing: broken.yaml: is empty
      fix: write at least model, task and data; \`docs/reference/recipe.md\` lists every key  [CONFIG_FILE]
    a list: broken.yaml: got ["model"]
      fix: give a mapping with the keys model, init_from, task, data, method, training, evaluation, safety, device, threads, output_dir  [CONFIG_INVALID]
    a word: broken.yaml: got "model"
      fix: give a mapping with the keys model, init_from, task, data, method, training, evaluation, safety, device, threads, output_dir  [CONFIG_INVALID]"
  `);
});

test('anchors that multiply without end', async () => {
  const levels = Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`);
  const text = `a0: &a0 [x]\n${levels.join('\n')}\n`;
  expect(await refused(write('bomb.yaml', text))).toContain('[CONFIG_FILE]');
});

test('a JSON file is JSON', async () => {
  expect(await refused(write('comma.json', '{\n  "model": "x",\n}\n'))).toMatch(/^comma\.json:3: is not JSON/);
  expect(await refused(write('open.json', '{\n  "model": "x"\n'))).toMatch(/^open\.json:\d: is not JSON/);
  expect(await refused(write('twice.json', '{"model": "x",\n "model": "y"}'))).toMatch(
    /^twice\.json:2: a key is given twice/,
  );
});

test('files that cannot be a recipe', async () => {
  mkdirSync(join(folder, 'folder.yaml'));
  const messages = [
    await refused(join(folder, 'sst2.v2.yaml')),
    await refused(join(folder, 'nowhere', 'a.yaml')),
    await refused(join(folder, 'folder.yaml')),
    await refused(write('train.jsonl', '{}')),
    await refused(write('latin.yaml', new Uint8Array([0x61, 0x3a, 0x20, 0xe9, 0x0a]))),
  ];
  expect(messages.join('\n')).toMatchInlineSnapshot(`
    "sst2.v2.yaml: there is no such file
      fix: did you mean sst2.v1.yaml?  [CONFIG_FILE]
    nowhere/a.yaml: there is no such file
      fix: give the path of a .yaml, .yml, .json file  [CONFIG_FILE]
    folder.yaml: is a folder
      fix: give the path of a .yaml, .yml, .json file  [CONFIG_FILE]
    train.jsonl: is not a recipe: its ending is ".jsonl"
      fix: give a file that ends in .yaml, .yml, .json  [CONFIG_FILE]
    latin.yaml: is not UTF-8 text
      fix: save it as UTF-8  [CONFIG_FILE]"
  `);
});

test('arguments win over the file, and messages name them', async () => {
  const file = write('over.yaml', `${good}training:\n  max_steps: 5\n`);
  const recipe = await loadRecipe(file, ['learning_rate=3e-5', '~training.max_steps', 'data.train=*.csv']);
  expect(recipe.training).toMatchObject({ learning_rate: 3e-5, max_steps: -1 });
  expect(recipe.data.train).toEqual(['*.csv']);
  expect(await refused(file, ['training.learning_rate=-1'])).toMatchInlineSnapshot(`
    "argument 'training.learning_rate=-1': got -1
      fix: give auto, or a number above 0  [CONFIG_INVALID]"
  `);
});

test('a data file beside the recipe is pointed at when it is not in the working folder', () => {
  const recipe = write('beside.yaml', good);
  const data = write('rows.csv', 'text,label\n');
  expect(besideRecipe('rows.csv', recipe)).toBe(data);
  expect(besideRecipe('other.csv', recipe)).toBeUndefined();
  expect(besideRecipe('package.json', recipe)).toBeUndefined();
  expect(besideRecipe(data, recipe)).toBeUndefined();
});
