import { EventEmitter } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { loadRecipe } from '../recipes/schema/index.ts';
import { commands } from './commands.ts';
import { runCommandLine } from './runCommandLine.ts';

const before = process.cwd();
let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'attune-init-'));
  process.chdir(folder);
});
afterEach(() => {
  process.chdir(before);
  rmSync(folder, { recursive: true });
});

/** Runs the command line in this process. */
async function attune(...argv: string[]) {
  const said = { stdout: '', stderr: '' };
  const into = (name: keyof typeof said) =>
    new Writable({
      write(chunk, _encoding, done) {
        said[name] += String(chunk);
        done();
      },
    });
  const streams = { stdout: into('stdout'), stderr: into('stderr') };
  const rest = { commands, version: () => '0', env: {}, signals: new EventEmitter(), exit: () => undefined };
  return { code: await runCommandLine({ argv, ...streams, ...rest }), ...said };
}

test('without a name it writes the first template, and says what comes next', async () => {
  const { code, stdout, stderr } = await attune('init');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(stdout).toMatchInlineSnapshot(`
    "wrote text-classification.yaml  the recipe, with a comment on every setting
    wrote text-classification.jsonl  24 rows
    next  npx attune train text-classification.yaml
    "
  `);
  expect(readdirSync('.').sort()).toEqual(['text-classification.jsonl', 'text-classification.yaml']);
});

test('a template by its name in a folder of its own, told to programs; the paths hold from here', async () => {
  const { code, stdout } = await attune('init', 'sentiment-zh', '--dir', 'my reviews', '--json');
  expect(code).toBe(0);
  const files = ['my reviews/sentiment-zh.yaml', 'my reviews/sentiment-zh.jsonl'];
  expect(JSON.parse(stdout)).toEqual({ template: 'sentiment-zh', files });
  expect((await loadRecipe(files[0]!)).data.train).toEqual([files[1]]);
  expect(readFileSync(files[1]!, 'utf8')).toContain('好评');
});

test('a path with a space is quoted in the command that comes next', async () => {
  const { stdout } = await attune('init', '--dir', 'my tickets');
  expect(stdout).toContain('attune train "my tickets/text-classification.yaml"\n');
});

test('what it wrote passes the check', async () => {
  for (const name of ['text-classification', 'sentiment-zh', 'sentence-pairs']) {
    await attune('init', name);
    expect(await attune('data', 'check', '--recipe', `${name}.yaml`), name).toMatchObject({ code: 0 });
  }
});

test('a file that is there is refused, and nothing is written', async () => {
  writeFileSync('text-classification.jsonl', 'mine');
  const { code, stdout } = await attune('init', '--json');
  expect(code).toBe(2);
  expect(JSON.parse(stdout).error).toMatchObject({ code: 'OUTPUT_EXISTS', where: 'text-classification.jsonl' });
  expect(readdirSync('.')).toEqual(['text-classification.jsonl']);
  expect(readFileSync('text-classification.jsonl', 'utf8')).toBe('mine');
});

test('the templates', async () => {
  const { code, stdout } = await attune('init', '--list');
  expect(code).toBe(0);
  expect(stdout).toMatchInlineSnapshot(`
    "text-classification  texts into classes: support tickets with three labels
    sentiment-zh         中文情感分类：好评与差评 (Chinese reviews, positive or negative)
    sentence-pairs       pairs of sentences: does the premise entail the hypothesis?
    chat                 a language model learns to answer: conversations, LoRA
    chat-zh              中文对话微调：让语言模型学会回答 (Chinese conversations, LoRA)
    "
  `);
  const { templates } = JSON.parse((await attune('init', '--list', '--json')).stdout);
  expect(templates).toHaveLength(5);
  expect(templates[0]).toEqual({ name: 'text-classification', summary: expect.any(String) });
});

test('a template that there is not', async () => {
  const { code, stderr } = await attune('init', 'sentence-pair');
  expect(code).toBe(2);
  expect(stderr).toMatchInlineSnapshot(`
    "error attune init sentence-pair: there is no such template
      fix: did you mean sentence-pairs? attune init --list shows the templates  [USAGE]
    "
  `);
  expect((await attune('init', 'xyz')).stderr).not.toContain('did you mean');
  expect(readdirSync('.')).toEqual([]);
});
