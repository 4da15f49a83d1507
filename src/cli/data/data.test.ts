import { EventEmitter } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { commands } from '../commands.ts';
import { runCommandLine } from '../runCommandLine.ts';

const before = process.cwd();
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'attune-data-'));
  process.chdir(folder);
  write('train.jsonl', [
    { text: 'the print is crisp', label: 'good' },
    { text: 'the paper jams', label: 'bad' },
    { text: 'The print is crisp!', label: 'good' },
    { text: '墨水很快就用完了', label: '差评' },
  ]);
  write('bad.jsonl', [{ text: 'fine', label: 'good' }, { text: ' ', label: 'bad' }, { text: 'no label' }, 'text']);
  write('held.jsonl', [
    { text: 'THE PAPER JAMS', label: 'bad' },
    { text: 'something else', label: 'goood' },
  ]);
  const recipe = { model: 'm', task: 'text-classification', data: { train: 'train.jsonl', validation: 'held.jsonl' } };
  writeFileSync('recipe.json', JSON.stringify(recipe));
});
afterAll(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true });
});

function write(name: string, rows: readonly unknown[]): void {
  writeFileSync(name, rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
}

/** Runs the command line in this process. */
async function attune(words: string, env: Readonly<Record<string, string>> = {}) {
  const said = { stdout: '', stderr: '' };
  const into = (name: keyof typeof said) =>
    new Writable({
      write(chunk, _encoding, done) {
        said[name] += String(chunk);
        done();
      },
    });
  const streams = { stdout: into('stdout'), stderr: into('stderr') };
  const rest = { commands, version: () => '0', env, signals: new EventEmitter(), exit: () => undefined };
  return { code: await runCommandLine({ argv: words.split(' '), ...streams, ...rest }), ...said };
}

describe('for people', () => {
  test('what is in a file', async () => {
    const { code, stdout, stderr } = await attune('data check train.jsonl');
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatchInlineSnapshot(`
      "train.jsonl  4 rows  ok
        labels      bad   ██████████            1   25.0 %
                    good  ████████████████████  2   50.0 %
                    差评  ██████████            1   25.0 %
        duplicates  1 exact, 0 near
        characters  min 8  median 14  p95 19  max 19

      ok: 4 rows in 1 file
      "
    `);
  });

  test('problems with place and fix', async () => {
    const { code, stdout } = await attune('data check bad.jsonl gone.csv');
    expect(code).toBe(2);
    expect(stdout).toMatchInlineSnapshot(`
      "bad.jsonl  3 rows  3 problems
        labels      good  ████████████████████  1  100.0 %
        duplicates  0 exact, 0 near
        characters  min 4  median 4  p95 4  max 4

      gone.csv  0 rows  1 problem

      problem bad.jsonl:2: the text in 'text' is empty
        fix: give the row a text, or remove the row  [DATA_VALUE]
      problem bad.jsonl:3: the label in 'label' is missing
        fix: give the row a label, or remove the row  [DATA_VALUE]
      problem bad.jsonl:4: each row is an object with named columns, found a string: "text"
        fix: write each row as {"text": "…", "label": "…"}  [DATA_SYNTAX]
      problem gone.csv: there is no such file
        fix: check the path  [DATA_FILE]

      not ok: 4 problems in 2 of 2 files
      "
    `);
  });

  test.each([
    ['sft', '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}'],
    ['causal-lm', '{"text": "…"}'],
  ])('%s: the row that is shown is one of the task', async (task, example) => {
    writeFileSync('words.jsonl', '"text"\n');
    writeFileSync('words.json', '"text"\n');
    const { stdout } = await attune(`data check words.jsonl words.json --task ${task}`);
    expect(stdout).toContain(`write each row as ${example}`);
    expect(stdout).toContain(`write [${example}, …]`);
  });

  test('the files of a recipe against each other', async () => {
    const { code, stdout } = await attune('data check --recipe recipe.json');
    expect(code).toBe(2);
    expect(stdout.slice(stdout.indexOf('\n\nproblem'))).toMatchInlineSnapshot(`
      "

      problem held.jsonl:2: the label 'goood' is unknown, no training row has it
        fix: did you mean 'good'? the known labels are: bad, good, 差评  [DATA_LABELS]

      warning held.jsonl: 1 of 2 rows repeat a training row (1 the same, 0 nearly): held.jsonl:1 is like train.jsonl:2
        fix: remove them on one side: they measure memory rather than learning

      not ok: 1 problem in 1 of 2 files, 1 warning
      "
    `);
    expect(stdout).toContain('held.jsonl  validation  2 rows  1 problem\n');
  });

  test('the first 20 problems and the number of the others, the first 20 labels', async () => {
    write('many.jsonl', [
      ...Array.from({ length: 130 }, () => ({ text: '', label: 'a' })),
      ...Array.from({ length: 23 }, (_, i) => ({ text: `text number ${i}`, label: `label ${i}\n${'x'.repeat(i)}` })),
    ]);
    const { stdout } = await attune('data check many.jsonl');
    expect(stdout.match(/^problem /gm)).toHaveLength(20);
    expect(stdout).toContain('and 110 further problems');
    expect(stdout.match(/█/g)).toHaveLength(20 * 20);
    expect(stdout).toContain('and 3 further labels');
    expect(stdout).toContain('not ok: 130 problems in 1 of 1 file\n');
  });

  test('in colours', async () => {
    const { stdout } = await attune('data check train.jsonl', { FORCE_COLOR: '1' });
    expect(stdout).toContain('\u001b[32mok\u001b[39m: 4 rows');
  });
});

describe('for programs', () => {
  test('files with problems', async () => {
    const { code, stdout } = await attune('data check bad.jsonl --json');
    expect(code).toBe(2);
    const { files, ok } = JSON.parse(stdout);
    expect(ok).toBe(false);
    expect(files).toHaveLength(1);
    expect(files[0]).toMatchObject({ path: 'bad.jsonl', rows: 3, problem_count: 3 });
    expect(files[0].problems).toHaveLength(3);
    expect(files[0].problems[0]).toEqual({
      code: 'DATA_VALUE',
      line: 2,
      where: 'bad.jsonl:2',
      problem: expect.stringContaining('empty'),
      fix: expect.any(String),
    });
  });

  test('a file without problems has its figures', async () => {
    expect(JSON.parse((await attune('data check train.jsonl --json')).stdout)).toMatchObject({
      files: [{ path: 'train.jsonl', rows: 4, problems: [], duplicates: { exact: 1, near: 0 } }],
      warnings: [],
      ok: true,
    });
  });

  test('a file that is not there is a problem of it, not the end', async () => {
    const { files } = JSON.parse((await attune('data check gone.csv train.jsonl --json')).stdout);
    expect(files[0]).toMatchObject({ path: 'gone.csv', rows: 0, problems: [{ code: 'DATA_FILE', line: null }] });
    expect(files[1]).toMatchObject({ path: 'train.jsonl', rows: 4, problems: [] });
  });
});

test('columns, and files without labels', async () => {
  write('other.jsonl', [
    { q: 'a b', a: 'c', kind: 1 },
    { q: 'd e', a: 'f', kind: 2 },
  ]);
  expect(await attune('data check other.jsonl --text q --pair a --label kind')).toMatchObject({ code: 0 });
  expect(await attune('data check other.jsonl --text q --labels optional')).toMatchObject({ code: 0 });
  const { code, stdout } = await attune('data check other.jsonl --text q --task text-classification');
  expect(code).toBe(2);
  expect(stdout).toContain("there is no column 'label'");
  expect(stdout).toContain('--label NAME');
});

test('words that are not understood', async () => {
  const lines = [
    'data',
    'data chek train.jsonl',
    'data check',
    'data check train.jsonl --task text-clasification',
    'data check train.jsonl --labels none',
    'data check train.jsonl --recipe recipe.json',
    'data check --recipe recipe.json --label kind --json',
  ];
  const answers = await Promise.all(lines.map((line) => attune(line)));
  expect(answers.map(({ code }) => code)).toEqual(lines.map(() => 2));
  expect(answers.map(({ stdout, stderr }) => stdout + stderr).join('')).toMatchInlineSnapshot(`
    "error attune data: something is missing: check FILE… | check --recipe RECIPE | preview RECIPE [key=value …]
      fix: write attune data check FILE… | check --recipe RECIPE | preview RECIPE [key=value …]  [USAGE]
    error attune data chek: there is no such subcommand
      fix: did you mean check? call: attune data check FILE…, or: attune data preview RECIPE  [USAGE]
    error attune data check: no file is given
      fix: call: attune data check FILE…, or: attune data check --recipe RECIPE  [USAGE]
    error attune data check --task: got "text-clasification"
      fix: did you mean text-classification? give one of text-classification, sft, causal-lm  [USAGE]
    error attune data check --labels: got "none"
      fix: give required or optional  [USAGE]
    error attune data check train.jsonl: the recipe says this already
      fix: leave it out, or leave --recipe out  [USAGE]
    {"error":{"code":"USAGE","where":"attune data check --label","problem":"the recipe says this already","fix":"leave it out, or leave --recipe out"}}
    "
  `);
});

describe('conversations', () => {
  const user = (content: string) => ({ role: 'user', content });
  const assistant = (content: string, more: object = {}) => ({ role: 'assistant', content, ...more });

  test('what is in a file', async () => {
    write('chat.jsonl', [
      { messages: [user('hi'), assistant('hello', { weight: 0 }), user('who are you?'), assistant('a model')] },
      { messages: [user('bye'), assistant('bye')] },
    ]);
    const { code, stdout } = await attune('data check chat.jsonl --task sft');
    expect(code).toBe(0);
    expect(stdout).toMatchInlineSnapshot(`
      "chat.jsonl  2 rows  ok
        turns       3 of the user, 3 of the assistant, of which 2 are learned from  (messages)
        duplicates  0 exact, 0 near
        characters  min 7  median 7  p95 29  max 29

      ok: 2 rows in 1 file
      "
    `);
    const { files } = JSON.parse((await attune('data check chat.jsonl --task sft --json')).stdout);
    expect(files[0].turns).toEqual({ format: 'messages', assistant: 3, user: 3, trained: 2, tool_calls: 0 });
  });

  test('problems with file, line and code; other columns by name', async () => {
    write('bad-chat.jsonl', [{ messages: [user('hi')] }, { messages: [{ role: 'usr', content: 'x' }] }]);
    const { code, stdout } = await attune('data check bad-chat.jsonl --task sft --json');
    const { problems } = JSON.parse(stdout).files[0];
    expect([code, problems.map((one: { code: string; where: string }) => `${one.code} ${one.where}`)]).toEqual([
      2,
      ['CHAT_NO_ASSISTANT bad-chat.jsonl:1', 'CHAT_ROLE_UNKNOWN bad-chat.jsonl:2'],
    ]);
    write('pairs.jsonl', [{ q: 'hi', a: 'hello' }]);
    expect((await attune('data check pairs.jsonl --task sft --column prompt=q --column completion=a')).code).toBe(0);
    const misspelt = await attune('data check pairs.jsonl --task sft --format mesages');
    expect([misspelt.code, misspelt.stderr]).toEqual([2, expect.stringContaining('did you mean messages?')]);
  });

  test('plain texts', async () => {
    writeFileSync('verse.txt', 'one\ntwo\n\nthree\n');
    const { code, stdout } = await attune('data check verse.txt --task causal-lm');
    expect([code, stdout]).toEqual([0, expect.stringContaining('verse.txt  2 rows  ok')]);
  });
});

describe('preview', () => {
  const golden = join(import.meta.dirname, '../../../tests/golden/sft');
  beforeAll(() => {
    const data = { train: join(golden, 'train.jsonl'), validation_split: 0, max_length: 40 };
    writeFileSync('chat.json', JSON.stringify({ model: join(golden, 'model'), task: 'sft', data }));
  });
  const shown = (text: string) => text.replaceAll(golden, 'GOLDEN');

  test('what is learned stands between marks, or in colour', async () => {
    const { code, stdout } = await attune('data preview chat.json --rows 1');
    expect(code).toBe(0);
    expect(shown(stdout)).toMatchInlineSnapshot(`
      "GOLDEN/train.jsonl:1  7 of 28 tokens are learned
      <|im_start|>user
      Who are you?<|im_end|>
      <|im_start|>assistant
      ⟦I am the assistant.<|im_end|>⟧

      legend ⟦learned⟧ only read

      1 of 8 training rows, 2 cut to 40 tokens, 2 answers cut before the end, written with GOLDEN/model/chat_template.jinja
      "
    `);
    const coloured = await attune('data preview chat.json --rows 1', { FORCE_COLOR: '1' });
    expect(coloured.stdout).toContain('\u001b[32mI am the assistant.<|im_end|>\u001b[39m');
  });

  test('every token for programs, and its pieces give the text again', async () => {
    const { rows, count, truncated, lost_ends } = JSON.parse(
      (await attune('data preview chat.json --rows 8 --json')).stdout,
    );
    expect([rows.length, count, truncated, lost_ends]).toEqual([8, 8, 2, 2]);
    type Piece = { ids: number[]; text: string; learned: boolean; special: boolean };
    const texts = rows.map(({ pieces }: { pieces: Piece[] }) => pieces.map(({ text }) => text).join(''));
    expect(texts[3]).toBe('<|im_start|>user\n天气怎么样？<|im_end|>\n<|im_start|>assistant\n天气很冷。<|im_end|>\n');
    const learned = rows[6].pieces.filter((piece: Piece) => piece.learned).map(({ text }: Piece) => text);
    expect(learned.join('')).toBe('The answer is');
    expect(rows[0].pieces.filter(({ special }: Piece) => special)).toHaveLength(4);
  });

  test('a page that needs nothing outside itself', async () => {
    expect((await attune('data preview chat.json --html page.html')).code).toBe(0);
    const page = readFileSync('page.html', 'utf8');
    expect(page).toContain('<span class="token learned special" title="');
    expect(page).toContain('7 of 28 tokens are learned');
    expect(page).toContain('2 rows are cut to 40 tokens, 2 answers before their end.');
    expect(page).not.toMatch(/(src|href)=/);
  });

  test('a task that learns no tokens, and no recipe', async () => {
    const { code, stderr } = await attune('data preview recipe.json');
    expect([code, stderr]).toEqual([2, expect.stringContaining('learns one label a text')]);
    expect((await attune('data preview')).code).toBe(2);
  });
});
