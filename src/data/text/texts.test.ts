import { expect, test } from 'vitest';
import { checkRows, readTexts, textSource } from '../index.ts';
import { row } from '../row.ts';

test('the texts of a column, and what is no text', () => {
  const rows = [{ text: 'a\nb' }, { text: ' ' }, { txt: 'c' }, { text: 3 }].map((values, i) => row(values, 'd', i + 1));
  const { texts, problems } = readTexts(rows);
  expect(texts).toEqual([{ text: 'a\nb', where: 'd:1' }]);
  expect(problems.map(({ code, where, fix }) => `${code} ${where} ${fix}`)).toEqual([
    'DATA_VALUE d:2 remove the row',
    'DATA_COLUMN d:3 declare data.columns: {text: txt}',
    'DATA_VALUE d:4 give a text in quotes',
  ]);
  expect(readTexts([rows[2]!], 'txt').texts).toEqual([{ text: 'c', where: 'd:3' }]);
});

test('a .txt file has a row between blank lines, with the line on which it starts', async () => {
  const { rows } = await checkRows(textSource('poems.txt', '\n one\ntwo\n\n \nthree\r\n'));
  expect(rows.map(({ values, where }) => [values.text, where])).toEqual([
    [' one\ntwo', 'poems.txt:2'],
    ['three', 'poems.txt:6'],
  ]);
});
