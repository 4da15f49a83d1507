/** Words, recipes and data that cannot be right are refused before anything is made. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { attune, temporaryFolder, writeRecipe } from './attune.ts';
import { expectRefusal, type Refusal } from './refusals.ts';
import { reviews, tinyRecipe, writeReviews, writeRows } from './reviews.ts';

/** A folder with three good files and a good recipe. */
function goodFolder(): string {
  const folder = temporaryFolder();
  writeReviews(folder);
  writeRecipe(folder, tinyRecipe());
  return folder;
}

/** The recipe with words behind it. */
const withWords =
  (...words: string[]) =>
  () => ['train', 'recipe.json', ...words];

const words: Refusal[] = [
  {
    name: 'an unknown command',
    make: () => ['trian', 'recipe.json'],
    says: { code: 'USAGE', where: 'attune trian', problem: 'no such command', fix: 'did you mean train?' },
  },
  {
    name: 'no command',
    make: () => [],
    says: { code: 'USAGE', where: 'attune', problem: 'no command', fix: 'name one' },
  },
  {
    name: 'an unknown option',
    make: withWords('--verbos'),
    says: { code: 'USAGE', where: 'attune train --verbos', problem: 'no such option', fix: 'did you mean --verbose?' },
  },
  {
    name: 'no recipe',
    make: () => ['train'],
    says: { code: 'USAGE', where: 'attune train', problem: 'RECIPE', fix: 'attune train RECIPE' },
  },
  {
    name: 'a word too many',
    make: () => ['doctor', 'please'],
    says: { code: 'USAGE', where: 'please', problem: 'too many', fix: 'attune doctor' },
  },
  {
    name: 'an override that is no key=value',
    make: withWords('seed'),
    says: { code: 'USAGE', where: "argument 'seed'", problem: 'key=value', fix: 'training.learning_rate=' },
  },
  {
    name: 'a missing recipe',
    make: () => ['train', 'recipes.json'],
    says: { code: 'CONFIG_FILE', where: 'recipes.json', problem: 'no such file', fix: 'did you mean recipe.json?' },
  },
];

const recipes: Refusal[] = [
  {
    name: 'an unknown key, with its line',
    make: (folder) => ['train', writeRecipe(folder, tinyRecipe({ training: { learning_rat: 1 } }))],
    says: {
      code: 'CONFIG_UNKNOWN_KEY',
      where: 'recipe.json:15 training.learning_rat',
      problem: 'learning_rat',
      fix: 'did you mean `learning_rate`?',
    },
  },
  {
    name: 'a key of another trainer',
    make: withWords('training.epochs=3'),
    says: { code: 'CONFIG_UNKNOWN_KEY', where: 'training.epochs', problem: 'epochs', fix: '`num_train_epochs`' },
  },
  {
    name: 'a bad value',
    make: withWords('training.learning_rate=-1'),
    says: { code: 'CONFIG_INVALID', where: 'learning_rate=-1', problem: 'got -1', fix: 'a number above 0' },
  },
  {
    name: 'a value of the wrong kind',
    make: withWords('num_train_epochs=three'),
    says: { code: 'CONFIG_INVALID', where: 'num_train_epochs=three', problem: '"three"', fix: 'a number' },
  },
  {
    name: 'an unknown task',
    make: withWords('task=text-clasification'),
    says: { code: 'CONFIG_INVALID', where: 'task', problem: 'text-clasification', fix: 'text-classification' },
  },
  {
    name: 'an unknown method',
    make: withWords('method=loar'),
    says: { code: 'CONFIG_INVALID', where: 'method', problem: '"loar"', fix: 'did you mean lora?' },
  },
  {
    name: 'a misspelt value',
    make: withWords('training.lr_scheduler_type=linaer'),
    says: { code: 'CONFIG_INVALID', where: 'lr_scheduler_type', problem: '"linaer"', fix: 'did you mean linear?' },
  },
  {
    name: 'a misspelt setting of a method',
    make: withWords('method={name: lora, target_module: [query]}'),
    says: {
      code: 'CONFIG_UNKNOWN_KEY',
      where: 'method.target_module',
      problem: 'no setting',
      fix: '`target_modules`?',
    },
  },
  {
    name: 'a missing key',
    make: withWords('~model'),
    says: { code: 'CONFIG_INVALID', where: 'model', problem: 'is missing', fix: 'Hugging Face id' },
  },
  {
    name: 'settings that contradict each other',
    make: withWords('validation_split=0.2'),
    says: { code: 'CONFIG_INVALID', where: 'validation_split', problem: '0.2', fix: 'remove one of the two' },
  },
  {
    name: 'broken YAML, with its line',
    make: (folder) => {
      writeFileSync(join(folder, 'broken.yaml'), 'model: x\ntask: text-classification\ndata: {train: [a\n');
      return ['train', 'broken.yaml'];
    },
    says: { code: 'CONFIG_FILE', where: 'broken.yaml:', problem: '', fix: 'mend the YAML' },
  },
  {
    name: 'texts longer than the model can read',
    make: withWords('max_length=41'),
    says: { code: 'CONFIG_INVALID', where: 'data.max_length', problem: '41', fix: 'at most 40' },
  },
];

/** The data of the recipe with one file in the place of the good one. */
const file =
  (name: string, content: string | Uint8Array | readonly object[], key = 'train') =>
  (folder: string) => {
    if (typeof content === 'string' || content instanceof Uint8Array) writeFileSync(join(folder, name), content);
    else writeRows(folder, name, content);
    return ['train', 'recipe.json', `data.${key}=${name}`];
  };

const line = (text: string, label: string) => `${JSON.stringify({ text, label })}\n`;
const good = reviews(6)
  .map(({ text, label }) => line(text, label))
  .join('');

const data: Refusal[] = [
  {
    name: 'a missing file',
    make: withWords('data.train=trian.jsonl'),
    says: { code: 'DATA_FILE', where: 'trian.jsonl', problem: 'no such file', fix: 'train.jsonl' },
  },
  {
    name: 'an empty file',
    make: file('empty.jsonl', ''),
    says: { code: 'DATA_EMPTY', where: 'empty.jsonl', problem: 'row', fix: '' },
  },
  {
    name: 'a table that has only its header',
    make: file('header.csv', 'text,label\n'),
    says: { code: 'DATA_EMPTY', where: 'header.csv', problem: 'row', fix: '' },
  },
  {
    name: 'a header that names a column twice',
    make: file('twice.csv', 'text,label,text\ngood,a,b\n'),
    says: { code: 'DATA_HEADER', where: 'twice.csv:1', problem: "'text'", fix: 'its own name' },
  },
  {
    name: 'a header with a column that has no name',
    make: file('nameless.csv', ',text,label\n0,good,a\n1,bad,b\n'),
    says: { code: 'DATA_HEADER', where: 'nameless.csv:1', problem: 'column 1 of 3', fix: 'name every column' },
  },
  {
    name: 'a kind of file that is not read',
    make: file('train.xlsx', 'PK'),
    says: { code: 'DATA_FILE', where: 'train.xlsx', problem: 'format', fix: '.jsonl' },
  },
  {
    name: 'a line of broken JSON',
    make: file('broken.jsonl', `${good}{"text": "good", \n${good}`),
    says: { code: 'DATA_SYNTAX', where: 'broken.jsonl:7', problem: 'JSON', fix: '' },
  },
  {
    name: 'a line that is no JSON at all',
    make: file('words.jsonl', `${good}hello\n`),
    says: { code: 'DATA_SYNTAX', where: 'words.jsonl:7', problem: 'hello', fix: 'mend the line' },
  },
  {
    name: 'a line that is JSON but no row',
    make: file('list.jsonl', `${good}["good", "a"]\n`),
    says: { code: 'DATA_SYNTAX', where: 'list.jsonl:7', problem: 'found a list', fix: '{"text"' },
  },
  {
    name: 'a row of a table with a cell too many',
    make: file('wide.csv', 'text,label\ngood,a\nbad,b,c\n'),
    says: { code: 'DATA_SYNTAX', where: 'wide.csv:3', problem: '3', fix: '' },
  },
  {
    name: 'a missing column',
    make: file(
      'columns.jsonl',
      reviews(6).map(({ text, label }) => ({ txt: text, label })),
    ),
    says: { code: 'DATA_COLUMN', where: 'columns.jsonl', problem: "'text'", fix: 'data.columns: {text: txt}' },
  },
  {
    name: 'a missing column, beside those that there are',
    make: file('films.csv', 'film,year,label\ngood,1999,a\nbad,2001,b\n'),
    says: { code: 'DATA_COLUMN', where: 'films.csv', problem: 'there are: film, year, label', fix: 'data.columns' },
  },
  {
    name: 'a declared column that is not there',
    make: withWords('data.columns={text: body}'),
    says: { code: 'DATA_COLUMN', where: 'train.jsonl', problem: "'body'", fix: 'data.columns' },
  },
  {
    name: 'one class only',
    make: file('one.jsonl', reviews(6, 0, { happy: 'good' })),
    says: { code: 'DATA_LABELS', where: 'data.train', problem: "'happy'", fix: 'two labels' },
  },
  {
    name: 'a label of validation that training lacks',
    make: file('validation2.jsonl', `${good}${line('good', 'positiv')}`, 'validation'),
    says: { code: 'DATA_LABELS', where: 'validation2.jsonl:7', problem: "'positiv'", fix: "did you mean 'positive'?" },
  },
  {
    name: 'a label of the test data that training lacks',
    make: file('test2.jsonl', `${good}${line('good', 'ecstatic')}`, 'test'),
    says: { code: 'DATA_LABELS', where: 'test2.jsonl:7', problem: "'ecstatic'", fix: 'negative, neutral, positive' },
  },
  {
    name: 'an empty text',
    make: file('blank.jsonl', `${good}${line('  ', 'positive')}`),
    says: { code: 'DATA_VALUE', where: 'blank.jsonl:7', problem: 'is empty', fix: 'remove the row' },
  },
  {
    name: 'a label that is missing',
    make: file('unlabelled.jsonl', `${good}{"text": "good"}\n`),
    says: { code: 'DATA_VALUE', where: 'unlabelled.jsonl:7', problem: 'label', fix: '' },
  },
  {
    name: 'a file that is not UTF-8',
    make: file('latin1.jsonl', Buffer.from(`${good}${line('très good', 'positive')}`, 'latin1')),
    says: { code: 'DATA_ENCODING', where: 'latin1.jsonl', problem: 'UTF-8', fix: 'UTF-8' },
  },
  {
    name: 'a file that is UTF-16',
    make: file('wide.jsonl', Buffer.from(`\ufeff${good}`, 'utf16le')),
    says: { code: 'DATA_ENCODING', where: 'wide.jsonl', problem: 'UTF-16', fix: 'iconv' },
  },
  {
    name: 'too few rows to hold some back',
    make: (folder) => {
      writeRows(folder, 'few.jsonl', [
        { text: 'good', label: 'p' },
        { text: 'bad', label: 'n' },
      ]);
      return ['train', 'recipe.json', 'data.train=few.jsonl', '~data.validation'];
    },
    says: { code: 'CONFIG_INVALID', where: 'data.validation_split', problem: '2', fix: 'more rows' },
  },
];

describe('refused with code, place, value and fix, and without a folder', () => {
  for (const refusal of [...words, ...recipes, ...data]) {
    it(refusal.name, () => expectRefusal(refusal, goodFolder()));
  }
});

describe('a refusal', () => {
  it('is for people on stderr, with nothing on stdout', async () => {
    const { code, stdout, stderr } = await attune(['train', 'recipe.json', 'data.train=trian.jsonl'], {
      cwd: goodFolder(),
    });
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toBe('error trian.jsonl: there is no such file\n  fix: did you mean train.jsonl?  [DATA_FILE]\n');
  });

  it('lists several bad rows at once', async () => {
    const folder = goodFolder();
    const make = file('rows.jsonl', `${line('', 'a')}${line('good', 'b')}${line(' ', 'b')}`);
    const { code, stderr } = await attune(make(folder), { cwd: folder });
    expect(code).toBe(2);
    expect(stderr).toContain('rows.jsonl:1');
    expect(stderr).toContain('rows.jsonl:3');
  });
});
