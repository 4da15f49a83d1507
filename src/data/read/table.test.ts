import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkRows } from './readRows.ts';
import { textSource } from './textSource.ts';

const csv = (text: string) => checkRows(textSource('d.csv', text));
const tsv = (text: string) => checkRows(textSource('d.tsv', text));

test('quotes, delimiters and line ends inside fields, and the lines on which rows start', async () => {
  const text = '\ufefftext, label\r\n"a, ""b""",1\r\n\r\n"two\r\nlines\n\nfour",\nc\u00a0,"3"\rd,4';
  const { rows, problems } = await csv(text);
  expect(problems).toEqual([]);
  expect(rows.map(({ line, where, values }) => [line, where, values])).toEqual([
    [2, 'd.csv:2', { text: 'a, "b"', label: '1' }],
    [4, 'd.csv:4', { text: 'two\r\nlines\n\nfour', label: '' }],
    [8, 'd.csv:8', { text: 'c\u00a0', label: '3' }],
    [9, 'd.csv:9', { text: 'd', label: '4' }],
  ]);
});

test('tabs separate a .tsv', async () => {
  const { rows } = await tsv('text\tlabel\na, b\t1\n\t2\n"a\tb"\t3\n');
  expect(rows.map(({ values }) => values)).toEqual([
    { text: 'a, b', label: '1' },
    { text: '', label: '2' },
    { text: 'a\tb', label: '3' },
  ]);
});

test('a field may be longer than any buffer', async () => {
  const long = 'x"\n'.repeat(100_000);
  const { rows } = await csv(`text,label\n"${long.replaceAll('"', '""')}",1\nb,2`);
  expect(rows[0]!.values['text']).toBe(long);
  expect(rows[1]!.line).toBe(100_003);
});

test('every bad record is a problem at the line on which it starts', async () => {
  const text = 'text,label\na\n"x\ny",1,2\na"b,1\n"a"b,1\nok,1\n"a\n\nb,2\n';
  const { rows, problems } = await csv(text);
  expect(rows.map(({ line }) => line)).toEqual([7]);
  expect(problems.map(({ code, line, problem }) => [code, line, problem])).toEqual([
    ['DATA_SYNTAX', 2, 'the row has 1 field, the header 2: a'],
    ['DATA_SYNTAX', 3, 'the row has 3 fields, the header 2: x y | 1 | 2'],
    ['DATA_SYNTAX', 5, 'a quote stands inside a field that does not start with one in a"b,1'],
    ['DATA_SYNTAX', 6, 'text follows a closing quote in "a"b,1'],
    ['DATA_SYNTAX', 8, 'a quote is opened and not closed in "a  b,2 '],
  ]);
});

test.each([
  ['text,,label\na,b,c', 'column 2 of 3 has no name'],
  ['text," "\na,b', 'column 2 of 2 has no name'],
  ['text,label, text\na,b,c', "two columns are named 'text'"],
  ['a fine film,1\na bad film,0', 'there is no header: line 1 holds values, a fine film | 1'],
  ['text;label\na;1', 'the fields seem to be separated by a semicolon: text;label'],
  ['text\tlabel\na\t1', 'the fields seem to be separated by a tab: text label'],
])('header %j', async (text, problem) => {
  const { rows, problems } = await csv(text);
  expect(rows).toEqual([]);
  expect(problems).toMatchObject([{ code: 'DATA_HEADER', line: 1, where: 'd.csv:1', problem }]);
});

test('a header of one column is a header, and a broken one is a problem of its syntax', async () => {
  expect((await csv('text\na')).rows.length).toBe(1);
  expect((await csv('"text, cleaned"\na')).rows.length).toBe(1);
  expect((await tsv('text,label\na,1')).problems).toMatchObject([{ code: 'DATA_HEADER' }]);
  expect((await csv('te"xt,label\na,1')).problems).toMatchObject([{ code: 'DATA_SYNTAX', line: 1 }]);
});

test('columns named like inherited things are columns', async () => {
  const { rows } = await csv('__proto__,constructor\na,b');
  expect(Object.entries(rows[0]!.values)).toEqual([
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ]);
});

test('tables give back what was written, with right lines', async () => {
  const characters = fc.constantFrom('a', '"', ',', '\t', '\n', '\r', '\r\n', ' ', 'é', '汉', '😀', '\\', "'", ';');
  const field = fc.array(characters, { maxLength: 8 }).map((parts) => parts.join(''));
  const width = fc.integer({ min: 1, max: 4 });
  const table = width.chain((count) =>
    fc.array(fc.array(field, { minLength: count, maxLength: count }), { minLength: 1 }),
  );
  const ending = fc.constantFrom('\n', '\r\n', '\r');
  await fc.assert(
    fc.asyncProperty(table, ending, fc.boolean(), fc.constantFrom(',', '\t'), async (records, end, quoteAll, mark) => {
      const header = records[0]!.map((_, i) => `column ${'abcd'[i]}`);
      const write = (value: string): string => {
        const needsQuotes = quoteAll || value === '' || /["\n\r,\t]/.test(value);
        return needsQuotes ? `"${value.replaceAll('"', '""')}"` : value;
      };
      const texts = [header, ...records].map((record) => record.map(write).join(mark) + end);
      const { rows, problems } = await checkRows(textSource(mark === ',' ? 'd.csv' : 'd.tsv', texts.join('')));
      expect(problems).toEqual([]);
      expect(rows.map(({ values }) => Object.values(values))).toEqual(records);
      const starts = records.map(
        (_, i) =>
          texts
            .slice(0, i + 1)
            .join('')
            .split(/\r\n|\n|\r/).length,
      );
      expect(rows.map(({ line }) => line)).toEqual(starts);
    }),
    { numRuns: 300 },
  );
});
