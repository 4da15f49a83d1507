import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseRecipe } from '../schema/index.ts';
import { checkFiles, checkRecipeData } from './dataCheck.node.ts';

let folder: string;
const { signal } = new AbortController();
const path = (name: string): string => join(folder, name);
/** Rows such as `good:a text`; a row in braces stands as it is. */
function write(name: string, ...rows: string[]): string {
  const lines = rows.map((row) => {
    const [label, ...text] = row.split(':');
    return row.startsWith('{') ? row : JSON.stringify({ text: text.join(':'), ...(label && { label }) });
  });
  writeFileSync(path(name), `${lines.join('\n')}\n`);
  return path(name);
}
const places = (problems: readonly { code: string; where: string }[]): string[] =>
  problems.map(({ code, where }) => `${code} ${where.replace(`${folder}/`, '')}`);

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'attune-check-'));
  write('good.jsonl', 'yes:it works', 'no:it fails', 'yes:It works!', 'no:all is lost');
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('files by themselves', () => {
  const check = (paths: string[], labels: 'required' | 'optional' = 'required', columns = {}) =>
    checkFiles(paths, { task: 'text-classification', columns, labels, signal });

  test('what is in a file', async () => {
    const { files, warnings, ok } = await check([path('good.jsonl')]);
    expect({ ok, warnings }).toEqual({ ok: true, warnings: [] });
    expect(files).toEqual([
      {
        path: path('good.jsonl'),
        rows: 4,
        problems: [],
        problemCount: 0,
        labels: [
          { label: 'no', count: 2, share: 0.5 },
          { label: 'yes', count: 2, share: 0.5 },
        ],
        duplicates: { exact: 1, near: 0 },
        characters: { min: 8, median: 8, p95: 11, max: 11 },
      },
    ]);
  });

  test('problems of every kind, in the order of the lines, each file once', async () => {
    write('bad.jsonl', 'yes:fine', 'yes: ', '{oops', '{"text": "no label"}', '{"text": 3, "label": "no"}');
    const given = [path('bad.jsonl'), path('gone.csv'), path('bad.jsonl'), path('none*.tsv'), path('good.jsonl')];
    const { files, ok } = await check(given);
    expect(ok).toBe(false);
    expect(files.map((file) => [file.rows, places(file.problems)])).toEqual([
      [4, ['DATA_VALUE bad.jsonl:2', 'DATA_SYNTAX bad.jsonl:3', 'DATA_VALUE bad.jsonl:4', 'DATA_VALUE bad.jsonl:5']],
      [0, ['DATA_FILE gone.csv']],
      [0, ['DATA_FILE none*.tsv']],
      [4, []],
    ]);
  });

  test('a label that only one file has is no problem, a label that all have is worth a warning', async () => {
    const [one, two] = [write('one.jsonl', 'yes:a', 'yes:b'), write('two.jsonl', 'no:c')];
    expect(await check([one, two])).toMatchObject({ ok: true, warnings: [] });
    expect(await check([one])).toMatchObject({
      ok: true,
      warnings: [{ where: one, problem: "all 2 rows have the label 'yes'" }],
    });
  });

  test('without labels, where that is allowed', async () => {
    const file = write('unlabelled.jsonl', ':a', ':b');
    expect((await check([file], 'optional')).files[0]).toMatchObject({ rows: 2, problems: [], labels: [] });
    expect(places((await check([file])).files[0]!.problems)).toEqual(['DATA_COLUMN unlabelled.jsonl:1']);
  });

  test('columns by their names; a pair is as long as both texts', async () => {
    const file = write('pairs.jsonl', '{"a": "xx", "b": "yyy", "c": 1}');
    const { files } = await check([file], 'required', { text: 'a', pair: 'b', label: 'c' });
    expect(files[0]).toMatchObject({ problemCount: 0, labels: [{ label: '1' }], characters: { max: 5 } });
  });

  test('counts the problems that it does not keep', async () => {
    const file = write('many.jsonl', ...Array.from({ length: 150 }, () => 'yes:'));
    const [found] = (await check([file])).files;
    expect([found!.problems.length, found!.problemCount]).toEqual([100, 150]);
  });

  test('stops when it is told to', async () => {
    const wishes = {
      task: 'text-classification',
      labels: 'required',
      signal: AbortSignal.abort(new Error('enough')),
    } as const;
    await expect(checkFiles([path('good.jsonl')], wishes)).rejects.toThrow('enough');
  });
});

describe('files of a recipe', () => {
  const check = (data: object) => {
    const recipe = { model: 'm', task: 'text-classification', data: { train: path('good.jsonl'), ...data } };
    return checkRecipeData(parseRecipe(recipe, ''), signal);
  };

  test('says what each is for', async () => {
    const { files, ok } = await check({ validation: path('good.jsonl'), test: path('good.jsonl') });
    expect([ok, files.map(({ use }) => use)]).toEqual([true, ['train', 'validation', 'test']]);
  });

  test('rows that repeat training rows are a warning', async () => {
    const held = write('held.jsonl', 'no:IT WORKS', 'yes:something new');
    const { ok, warnings } = await check({ validation: held });
    expect(ok).toBe(true);
    expect(warnings).toEqual([
      {
        where: held,
        problem: `1 of 2 rows repeat a training row (1 the same, 0 nearly): ${held}:1 is like ${path('good.jsonl')}:1`,
        fix: expect.stringContaining('remove them'),
      },
    ]);
  });

  test('a label that training lacks is a problem of the file that has it', async () => {
    const held = write('strange.jsonl', 'yes:a b c', 'nope:d e f', 'maybe:g h i');
    const { files } = await check({ test: held });
    expect(files.map(({ problems }) => places(problems))).toEqual([
      [],
      ['DATA_LABELS strange.jsonl:2', 'DATA_LABELS strange.jsonl:3'],
    ]);
  });

  test('a broken training file is not told again as a fault of the others', async () => {
    const { files } = await check({ train: path('gone.csv'), validation: path('good.jsonl') });
    expect(files.map(({ problems }) => places(problems))).toEqual([['DATA_FILE gone.csv'], []]);
  });

  test('what training would refuse: a single label, or no row that can be held back', async () => {
    const single = write('single.jsonl', 'yes:a', 'yes:b');
    const [one] = (await check({ train: single })).files;
    expect(places(one!.problems)).toEqual(['DATA_LABELS data.train']);
    const scarce = write('scarce.jsonl', 'yes:a', 'no:b');
    const [other] = (await check({ train: scarce })).files;
    expect(places(other!.problems)).toEqual(['CONFIG_INVALID data.validation_split']);
    expect(await check({ train: scarce, validation_split: 0 })).toMatchObject({ ok: true });
    expect(await check({ train: scarce, validation: scarce })).toMatchObject({ ok: true });
  });
});
