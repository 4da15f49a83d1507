import { expect, test } from 'vitest';
import { classBalance } from './balance.ts';
import { classificationExamples } from './classification.ts';
import type { ColumnWishes } from './columns.ts';
import { throwProblems } from './problems.ts';
import { type Row, row } from './row.ts';

const rowsOf = (...values: Record<string, unknown>[]): Row[] => values.map((value, i) => row(value, 'd.jsonl', i + 1));
const read = (values: Record<string, unknown>[], wishes: Partial<ColumnWishes> = {}) =>
  classificationExamples(rowsOf(...values), { labels: 'required', ...wishes });

test('text and label are found by name', () => {
  const { examples, problemCount } = read([{ text: ' a ', label: 'x', other: 1 }]);
  expect(examples).toEqual([{ text: ' a ', label: 'x', where: 'd.jsonl:1' }]);
  expect(problemCount).toBe(0);
});

test.each([
  ['sentence1', 'sentence2'],
  ['premise', 'hypothesis'],
  ['text_a', 'text_b'],
])('the pair %s, %s is found by name', (first, second) => {
  const { examples } = read([{ [second]: 'b', label: 'x', [first]: 'a' }]);
  expect(examples).toEqual([{ text: 'a', pair: 'b', label: 'x', where: 'd.jsonl:1' }]);
});

test('text comes before a pair, and half a pair is none', () => {
  const both = { text: 't', sentence1: 'a', sentence2: 'b', label: 'x' };
  expect(read([both]).examples[0]).toEqual({ text: 't', label: 'x', where: 'd.jsonl:1' });
  expect(read([{ sentence1: 'a', label: 'x' }]).problems).toMatchObject([
    { code: 'DATA_COLUMN', problem: expect.stringContaining('and no pair such as sentence1, sentence2') },
  ]);
});

test('declared columns come before the usual ones', () => {
  const values = { text: 't', label: 'x', review: 'r', stars: 5, title: 'h' };
  const columns = { text: 'review', pair: 'title', label: 'stars' };
  expect(read([values], { columns }).examples[0]).toMatchObject({ text: 'r', pair: 'h', label: '5' });
  expect(read([values], { columns: { label: 'stars' } }).examples[0]).toMatchObject({ text: 't', label: '5' });
  expect(read([values], { columns: { pair: 'title' } }).examples[0]).toMatchObject({ text: 't', pair: 'h' });
});

test('a missing column is one problem, with the columns there are and the nearest', () => {
  const { examples, problems } = read([
    { sentance: 'a', labels: 1 },
    { sentance: 'b', labels: 0 },
  ]);
  expect(examples).toEqual([]);
  expect(problems).toEqual([
    {
      code: 'DATA_COLUMN',
      line: 1,
      where: 'd.jsonl:1',
      problem: "there is no column 'text', and no pair such as sentence1, sentence2; there are: sentance, labels",
      fix: 'declare data.columns: {text: COLUMN}',
    },
    {
      code: 'DATA_COLUMN',
      line: 1,
      where: 'd.jsonl:1',
      problem: "there is no column 'label'; there are: sentance, labels",
      fix: 'declare data.columns: {label: labels}',
    },
  ]);
  const declared = read([{ sentence: 'a', label: 1 }], { columns: { text: 'sentense' } });
  expect(declared.problems).toMatchObject([{ fix: 'mend data.columns: {text: sentence}' }]);
  expect(read([{}]).problems[0]!.problem).toContain('the rows are empty');
});

test('an inherited name is no column', () => {
  const { problems } = read([{ text: 'a', label: 1 }, { constructor: 'b' }], { columns: { text: 'constructor' } });
  expect(problems.map(({ where }) => where)).toEqual(['d.jsonl:1', 'd.jsonl:2']);
  expect(problems[0]!.problem).toBe("the text in 'constructor' is missing");
});

test.each([
  [1, '1'],
  [1.0, '1'],
  [-0, '0'],
  [2.5, '2.5'],
  ['1', '1'],
  [' spam ', 'spam'],
  [true, 'true'],
  [false, 'false'],
])('label %j is %s', (label, name) => {
  expect(read([{ text: 'a', label }]).examples[0]!.label).toBe(name);
});

test.each([
  [null, 'is null'],
  [undefined, 'is missing'],
  ['', 'is empty'],
  [' \t', 'is empty'],
  [['a', 'b'], 'is a list: ["a","b"]'],
  [{ name: 'a' }, 'is an object: {"name":"a"}'],
  [2 ** 53, 'is a number: 9007199254740992'],
  [Number.POSITIVE_INFINITY, 'is a number: Infinity'],
])('label %j is a problem at its line', (label, found) => {
  const { examples, problems } = read([
    { text: 'a', label: 1 },
    { text: 'b', label },
  ]);
  expect(examples.map(({ where }) => where)).toEqual(['d.jsonl:1']);
  expect(problems).toMatchObject([
    { code: 'DATA_VALUE', line: 2, where: 'd.jsonl:2', problem: `the label in 'label' ${found}` },
  ]);
});

test.each([
  [null, 'is null'],
  [undefined, 'is missing'],
  [5, 'is a number: 5'],
  [['a'], 'is a list: ["a"]'],
  ['', 'is empty'],
  [' \n\u3000', 'is empty'],
])('text %j is a problem at its line, in either text of a pair', (value, found) => {
  const single = read([
    { text: 'a', label: 1 },
    { text: value, label: 1 },
  ]);
  expect(single.problems).toMatchObject([{ code: 'DATA_VALUE', line: 2, problem: `the text in 'text' ${found}` }]);
  const pair = read([
    { text_a: 'a', text_b: 'b', label: 1 },
    { text_a: 'a', text_b: value, label: 1 },
  ]);
  expect(pair.problems).toMatchObject([{ code: 'DATA_VALUE', line: 2, problem: `the text in 'text_b' ${found}` }]);
});

test('all that is wrong with a row is told', () => {
  expect(
    read([
      { text: 'a', label: 1 },
      { text: '', label: null },
    ]).problemCount,
  ).toBe(2);
});

test('optional labels may be absent, column and value, and are checked where they are there', () => {
  expect(read([{ text: 'a' }], { labels: 'optional' }).examples).toEqual([{ text: 'a', where: 'd.jsonl:1' }]);
  const some = read(
    [
      { text: 'a', label: null },
      { text: 'b', label: 1 },
      { text: 'c', label: [] },
    ],
    { labels: 'optional' },
  );
  expect(some.examples.map(({ label }) => label)).toEqual([undefined, '1']);
  expect(some.problems).toMatchObject([{ line: 3 }]);
  const declared = read([{ text: 'a' }], { labels: 'optional', columns: { label: 'stars' } });
  expect(declared.problems).toMatchObject([{ code: 'DATA_COLUMN' }]);
});

test('a column that is no name, an unknown use and a column used twice are refused', () => {
  const refused = (columns: unknown) => () => read([{ a: 'x', label: 1 }], { columns: columns as { text: string } });
  expect(refused({ text: ['a', 'b'] })).toThrow(
    'data.columns.text: got ["a","b"]\n  fix: give one column name; a second',
  );
  expect(refused({ labels: 'a' })).toThrow(/did you mean label\?.*\[CONFIG_UNKNOWN_KEY\]/);
  expect(refused({ text: 'a', label: 'a' })).toThrow("column 'a' is declared for two uses");
});

test('no rows give no examples and no problems', () => {
  expect(read([])).toEqual({ examples: [], problems: [], problemCount: 0 });
});

test('problems become one error that lists the first five and counts the others', () => {
  const values = Array.from({ length: 150 }, (_, i) => ({ text: i === 0 ? 'a' : '', label: 1 }));
  const checked = read(values);
  expect([checked.problems.length, checked.problemCount]).toEqual([100, 149]);
  const error = (() => {
    try {
      throwProblems(checked);
    } catch (thrown) {
      return thrown as Error & { code: string; where: string };
    }
    throw new Error('nothing was thrown');
  })();
  expect([error.code, error.where]).toEqual(['DATA_VALUE', 'd.jsonl:2']);
  expect(error.message.split('\n').length).toBe(11);
  expect(error.message).toMatch(/^d\.jsonl:2: the text in 'text' is empty\n.*\[DATA_VALUE\]\nd\.jsonl:3: /);
  expect(error.message).toMatch(/\nand 144 further problems$/);
  expect(() => throwProblems(read([{ text: 'a', label: 1 }]))).not.toThrow();
  expect(() =>
    throwProblems(
      read([
        { text: 'a', label: 1 },
        { text: '', label: 1 },
      ]),
    ),
  ).not.toThrow(/further/);
});

test('class balance counts labels in the order of the names', () => {
  const { examples } = read([
    { text: 'a', label: 10 },
    { text: 'b', label: 9 },
    { text: 'c', label: 10 },
    { text: 'd', label: 9 },
  ]);
  expect(classBalance([...examples, { text: 'e', where: 'x:1' }])).toEqual([
    { label: '9', count: 2, share: 0.5 },
    { label: '10', count: 2, share: 0.5 },
  ]);
  expect(classBalance(examples, ['7', '10'])).toEqual([
    { label: '7', count: 0, share: 0 },
    { label: '10', count: 2, share: 0.5 },
    { label: '9', count: 2, share: 0.5 },
  ]);
  expect(classBalance([], ['a'])).toEqual([{ label: 'a', count: 0, share: 0 }]);
});
