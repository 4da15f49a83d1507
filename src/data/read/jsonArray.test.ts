import { expect, test } from 'vitest';
import { checkRows } from './readRows.ts';
import { textSource } from './textSource.ts';

const json = (text: string) => checkRows(textSource('d.json', text));
const brief = async (text: string) => {
  const { rows, problems } = await json(text);
  return {
    rows: rows.map(({ values, line }) => [line, values]),
    problems: problems.map(({ line, problem }) => [line, problem]),
  };
};

test('rows carry the line of their first character', async () => {
  const text = '\n[{"a": "x]},{[\\"\\\\"},\n\n {\n"b": [1, {"c": 2}]\n}\n,\n{}, {"d": 1}\n]\n';
  expect(await brief(text)).toEqual({
    rows: [
      [2, { a: 'x]},{["\\' }],
      [4, { b: [1, { c: 2 }] }],
      [8, {}],
      [8, { d: 1 }],
    ],
    problems: [],
  });
});

test('a bad row is a problem at its line, and those behind it are read', async () => {
  const { rows, problems } = await brief('[{"a": 1},\n{"a" 2},\n7,\n{"a": "open},\n{"a": 3}, {"a": 4}]');
  expect(rows).toEqual([[1, { a: 1 }]]);
  expect(problems[0]).toEqual([2, expect.stringContaining('in {"a" 2}')]);
  expect(problems[1]).toEqual([3, 'each row is an object with named columns, found a number: 7']);
  expect(problems[2]![0]).toBe(4);
  for (const bad of ['{"a": 1,}', '{"a": 1}}', '{"a": "open\n}', '}', '"\n']) {
    expect((await brief(`[${bad},\n{"a": 2}]`)).rows).toEqual([[bad.includes('\n') ? 3 : 2, { a: 2 }]]);
  }
});

test.each([
  ['[{"a": 1},]', 1, 'a comma has no row beside it'],
  ['[\n,{"a": 1}]', 2, 'a comma has no row beside it'],
  ['[{"a": 1},,{"a": 1}]', 1, 'a comma has no row beside it'],
  ['[{"a": 1}\n', 1, 'the array is not closed'],
  ['[{"a": 1},\n', 1, 'the array is not closed'],
  ['[{"a": 1}]\n[]', 2, 'the array has ended, yet found []'],
  ['{"a": 1}\n{"a": 2}', 1, 'a .json file holds one array: found {"a": 1}'],
  ['12', 1, 'a .json file holds one array: found 12'],
])('%j', async (text, line, problem) => {
  expect((await brief(text)).problems).toEqual([[line, problem]]);
});

test('a file that ends inside a row names the line where that row starts', async () => {
  const { problems } = await brief('[{"a": 1},\n{"b":\n[2,');
  expect(problems).toEqual([[2, expect.stringMatching(/^Unexpected end of JSON input in \{"b": \[2,$/)]]);
});

test('objects one a line are told to be .jsonl', async () => {
  expect((await json('{"a": 1}\n{"a": 2}')).problems[0]!.fix).toContain('.jsonl');
});
