import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AttuneError } from '../../errors/index.ts';
import { checkRows, isReadable, readRows } from './readRows.ts';
import { textSource } from './textSource.ts';

const jsonl = (text: string) => checkRows(textSource('d.jsonl', text));

test('JSON Lines: an object a line, blank lines skipped, each row with its line', async () => {
  const { rows, problemCount } = await jsonl(
    '\ufeff{"text": "a", "label": 1}\r\n\n   \n{"text": "b\\n\u2028", "n": null}',
  );
  expect(problemCount).toBe(0);
  expect(rows).toEqual([
    { values: { text: 'a', label: 1 }, line: 1, where: 'd.jsonl:1' },
    { values: { text: 'b\n\u2028', n: null }, line: 4, where: 'd.jsonl:4' },
  ]);
});

test('every bad line is a problem with place, reason, excerpt and fix; the good ones are kept', async () => {
  const long = `{"text": "${'x'.repeat(200)}`;
  const { rows, problems } = await jsonl(
    `{"text": "a"}\n{"text": }\n[1]\nnull\n"t"\n${long}\n{'text': 'a'}\n{"n": NaN}\n{"b": 1}`,
  );
  expect(rows.map(({ line }) => line)).toEqual([1, 9]);
  expect(problems.map(({ code, line, where }) => [code, line, where])).toEqual(
    [2, 3, 4, 5, 6, 7, 8].map((line) => ['DATA_SYNTAX', line, `d.jsonl:${line}`]),
  );
  expect(problems[0]!.problem).toMatch(/^Unexpected token '?\}'? in \{"text": \}$/);
  expect(problems[1]!.problem).toBe('each row is an object with named columns, found a list: [1]');
  expect(problems[2]!.problem).toContain('found null');
  expect(problems[3]!.problem).toContain('found a string');
  expect(problems[4]!.problem).toMatch(/^Unterminated string.* in \{"text": "x{69}…$/);
  expect(problems[5]!.fix).toContain('json.dumps');
  expect(problems[6]!.fix).toContain('NaN');
});

test('a JSON array named .jsonl is one problem, not one a line', async () => {
  const { problems, problemCount } = await jsonl('[\n{"text": "a"},\n{"text": "b"}\n]\n');
  expect(problemCount).toBe(1);
  expect(problems[0]).toMatchObject({ line: 1, fix: 'name the file .json, or write one object a line' });
  expect((await jsonl('[{"text": "a"}]')).problems[0]!.fix).toContain('.json');
});

test('the first hundred problems are kept and the rest counted', async () => {
  const { problems, problemCount } = await jsonl('x\n'.repeat(250));
  expect([problems.length, problemCount]).toEqual([100, 250]);
});

test('a problem that ends the reading stands in the list behind those before it', async () => {
  const bytes = Uint8Array.from([...new TextEncoder().encode('{"a": 1}\nx\n'), 0xff]);
  const { rows, problems } = await checkRows(textSource('d.jsonl', bytes));
  expect(rows.length).toBe(1);
  expect(problems.map(({ code, line }) => [code, line])).toEqual([
    ['DATA_SYNTAX', 2],
    ['DATA_ENCODING', 3],
  ]);
});

test.each([
  ['d.jsonl', ' \n\n'],
  ['d.jsonl', ''],
  ['d.json', ' [ ] '],
  ['d.json', ''],
  ['d.csv', 'text,label\n'],
  ['d.tsv', '\n'],
])('no rows: %s %j', async (name, text) => {
  const { problems } = await checkRows(textSource(name, text));
  expect(problems).toMatchObject([{ code: 'DATA_EMPTY', where: name, line: null }]);
});

test('the ending of the name says the format, in either case', async () => {
  expect(['a.jsonl', 'a.JSON', 'a.csv', 'b/c.Tsv', 'a.parquet', 'jsonl', 'a.md'].map(isReadable)).toEqual([
    ...[true, true, true, true],
    ...[false, false, false],
  ]);
  const { problems } = await checkRows(textSource('a.parquet', 'x'));
  expect(problems).toMatchObject([
    { code: 'DATA_FILE', fix: 'give a file that ends in .jsonl, .json, .csv, .tsv, .txt' },
  ]);
});

test('readRows streams: it yields rows before it has read the end, and throws the first problem', async () => {
  const seen: unknown[] = [];
  let delivered = 0;
  const source = {
    name: 'd.jsonl',
    async *chunks() {
      for (const text of ['{"i": 0}\n', '{"i": 1}\n', 'bad\n{"i": 3}']) {
        delivered++;
        yield new TextEncoder().encode(text);
      }
    },
  };
  const reading = (async () => {
    for await (const { values } of readRows(source)) seen.push([values['i'], delivered]);
  })();
  await expect(reading).rejects.toMatchObject({ code: 'DATA_SYNTAX', where: 'd.jsonl:3' });
  expect(seen).toEqual([
    [0, 1],
    [1, 2],
  ]);
});

test('an error of our own is not taken for a problem of the data', async () => {
  const source = {
    name: 'd.jsonl',
    // biome-ignore lint/correctness/useYield: it breaks before it yields.
    async *chunks() {
      throw new Error('internal: broken');
    },
  };
  await expect(checkRows(source)).rejects.toThrow('internal: broken');
});

const key = fc.oneof(fc.constantFrom('text', 'label', '__proto__', 'constructor'), fc.string({ unit: 'binary' }));

test('JSON Lines and JSON give back what was written, with right lines', async () => {
  const values = fc.dictionary(key, fc.jsonValue());
  const indent = fc.constantFrom(0, 1, 2);
  await fc.assert(
    fc.asyncProperty(fc.array(values, { minLength: 1, maxLength: 6 }), indent, async (objects, spaces) => {
      const written = objects.map((object) => JSON.parse(JSON.stringify(object)));
      const lines = await jsonl(written.map((object) => `${JSON.stringify(object)}\n`).join(''));
      expect(lines.problems).toEqual([]);
      expect(lines.rows.map((row) => row.values)).toEqual(written);
      expect(lines.rows.map(({ line }) => line)).toEqual(written.map((_, i) => i + 1));
      const text = JSON.stringify(written, null, spaces);
      const array = await checkRows(textSource('d.json', text));
      expect(array.problems).toEqual([]);
      expect(array.rows.map((row) => row.values)).toEqual(written);
      // Each row starts on a line which, with those that follow, begins with the object.
      for (const { line, values } of array.rows) {
        const from = text
          .split('\n')
          .slice(line - 1)
          .join('\n');
        expect(from.replace(/\s/g, '')).toContain(JSON.stringify(values).replace(/\s/g, ''));
      }
    }),
  );
});

test('whatever is in a file, reading it ends with rows and problems', async () => {
  const pieces = fc.constantFrom(
    ...'[]{},:"\\\n\r\t;a1 ',
    '{"text": "a"}',
    'text,label\n',
    '"x"\n',
    'null',
    '\ufeff',
    '\0',
    'é',
  );
  const text = fc.array(pieces, { maxLength: 25 }).map((parts) => new TextEncoder().encode(parts.join('')));
  const name = fc.constantFrom('d.jsonl', 'd.json', 'd.csv', 'd.tsv');
  await fc.assert(
    fc.asyncProperty(name, fc.oneof(text, fc.uint8Array({ maxLength: 60 })), async (of, bytes) => {
      const { rows, problems, problemCount } = await checkRows(textSource(of, bytes));
      expect(rows.length + problemCount).toBeGreaterThan(0);
      for (const { where, line } of [...rows, ...problems]) expect(where).toBe(line === null ? of : `${of}:${line}`);
      for (const { problem, fix } of problems) expect(Math.min(problem.length, fix.length)).toBeGreaterThan(5);
      const first = await readRows(textSource(of, bytes))
        .next()
        .catch((error) => error);
      expect(first instanceof AttuneError || first.value !== undefined).toBe(true);
    }),
    { numRuns: 2000 },
  );
});
