/** What folding an adapter into its base changes: measured, told, and refused where it is too much. */
import { cpSync, existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { attune, errorOf, objectOf, readJson, temporaryFolder, tinyModel, train, writeRecipe } from './attune.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

interface Merged {
  readonly files: readonly string[];
  readonly base?: string;
  readonly max_logit_difference: number;
  readonly compared_rows: number | null;
  readonly changed_answers: number | null;
  readonly metrics: Readonly<Record<'before' | 'after', Readonly<Record<string, number>>>> | null;
}

const folder = temporaryFolder();
const place = { cwd: folder };
let count = 0;

async function merge(target: string, ...words: string[]): Promise<Merged & { readonly folder: string }> {
  const output = `merged-${count++}`;
  const finished = await attune(['merge', target, '--output', output, ...words, '--json'], place);
  expect(finished.code, `${finished.stdout}\n${finished.stderr}`).toBe(0);
  return { ...objectOf<Merged>(finished), folder: output };
}

async function lossOf(target: string): Promise<number> {
  const words = ['eval', target, '--data', 'validation.jsonl', '--json'];
  return objectOf<{ metrics: { loss: number } }>(await attune(words, place)).metrics.loss;
}

beforeAll(async () => {
  cpSync(tinyModel, join(folder, 'base'), { recursive: true });
  writeReviews(folder);
  writeRecipe(folder, tinyRecipe({ model: 'base', training: { max_steps: 20, learning_rate: 0.01 } }));
  const lora = (precision: string) => `method=${JSON.stringify({ name: 'lora', r: 4, base_precision: precision })}`;
  for (const precision of ['fp32', 'int8', 'int4']) {
    await train(['recipe.json', lora(precision), `output_dir=${precision}`], place);
  }
  const frozen = `method=${JSON.stringify({ name: 'freeze', base_precision: 'int4' })}`;
  await train(['recipe.json', frozen, 'output_dir=head'], place);
});

describe('attune merge', () => {
  it('compares on the rows of the run, and says what became of its figures', async () => {
    const {
      metrics,
      compared_rows: rows,
      max_logit_difference: difference,
      changed_answers: other,
      base,
    } = await merge('fp32');
    expect(rows).toBe(30);
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(1e-5);
    expect(base).toBeUndefined();
    expect(metrics!.after['accuracy']).toBe(metrics!.before['accuracy']);
    expect(other).toBe(0);
    const run = readJson<{ metrics: Record<string, number> }>(folder, 'fp32/run.json');
    expect(metrics!.before['loss']).toBeCloseTo(run.metrics['loss']!, 5);
  });

  it('compares on other rows with --data, and on none where the run has lost its own', async () => {
    const given = await merge('fp32', '--data', 'test.jsonl', '--data', 'validation.jsonl');
    expect(given.compared_rows).toBe(54);
    const moved = join(folder, 'moved');
    cpSync(join(folder, 'fp32/adapter'), moved, { recursive: true });
    expect(await merge('moved')).toMatchObject({ compared_rows: null, metrics: null });
  });

  it.each(['int4', 'head'])('%s: into the weights in 4 bits that it was trained over, as numbers', async (run) => {
    const { base, folder: merged, max_logit_difference: difference, metrics } = await merge(run);
    expect(base).toBe('dequantised');
    expect(difference).toBeLessThan(1e-5);
    expect(metrics!.after['loss']).toBeCloseTo(metrics!.before['loss']!, 5);
    expect(await lossOf(merged)).toBeCloseTo(metrics!.after['loss']!, 5);
  });

  it('or into those of the file, which are others: the scores move', async () => {
    const original = await merge('int4', '--base', 'original');
    expect(original.base).toBe('original');
    expect(original.max_logit_difference).toBeGreaterThan(1e-3);
    expect(original.metrics!.after['loss']).not.toBeCloseTo(original.metrics!.before['loss']!, 5);
    expect(await lossOf(original.folder)).toBeCloseTo(original.metrics!.after['loss']!, 5);
  });

  it('over a base in 8 bits products were rounded too: neither is exact', async () => {
    for (const base of ['dequantised', 'original']) {
      const { max_logit_difference: difference } = await merge('int8', '--base', base);
      expect(difference).toBeGreaterThan(1e-4);
      expect(difference).toBeLessThan(1);
    }
  });

  it.each([
    [
      'fp32',
      ['--max-drift', '0'],
      /^merged, its scores of 30 rows differ by up to \S+, \S+ of the largest; 0 is allowed \(accuracy/,
    ],
    ['int4', ['--base', 'original', '--max-drift', '0.0001'], /differ by up to/],
    ['int8', ['--max-drift', '1e-4'], /0\.0001 is allowed/],
  ])('%s %j: refused, and nothing is written', async (run, words, problem) => {
    const finished = await attune(['merge', run, '--output', 'refused', ...words, '--json'], place);
    expect(finished.code).toBe(1);
    expect(errorOf(finished)).toMatchObject({
      code: 'MERGE_DRIFT',
      where: run,
      problem: expect.stringMatching(problem),
    });
    expect(errorOf(finished).fix).toContain(words.includes('--base') ? '--base dequantised' : '--max-drift');
    expect(existsSync(join(folder, 'refused'))).toBe(false);
  });

  it.each([
    [['merge', 'fp32', '--base', 'orignal'], 'attune merge --base', 'did you mean original?'],
    [['merge', 'fp32', '--max-drift', '-1'], 'attune merge --max-drift', 'a share of 0 or more'],
    [
      ['export', 'fp32', '--to', 'peft', '--max-drift', '1'],
      'attune export --to',
      'leave --base, --data and --max-drift out',
    ],
  ])('%j', async (words, where, fix) => {
    const finished = await attune([...words, '--output', 'no', '--json'], place);
    expect(finished.code).toBe(2);
    expect(errorOf(finished)).toMatchObject({ code: 'USAGE', where, fix: expect.stringContaining(fix) });
  });

  it('says where it folds, for people', async () => {
    const { stdout } = await attune(['merge', 'int4', '--output', 'told'], place);
    expect(stdout).toMatch(/^folded into {15}the dequantised base$/m);
    expect(stdout).toMatch(/^largest logit difference {2}\d\.\de-\d+ {2}on 30 rows$/m);
    expect(stdout).toMatch(/^other answers {13}0 of 30$/m);
    expect(stdout).toMatch(/^loss +\d\.\d{4} → \d\.\d{4}$/m);
  });

  it('and that there was nothing to compare, where the weights are those that were trained', async () => {
    await train(['recipe.json', 'method=bitfit', 'max_steps=1', 'output_dir=bitfit'], place);
    const { stdout } = await attune(['merge', 'bitfit', '--output', 'untouched'], place);
    expect(stdout).toMatch(/^nothing was compared: the weights are as they were trained/m);
    expect(stdout).not.toContain('logit difference');
  });
});

it('a language model: the loss of its rows before and after', async () => {
  const golden = join(import.meta.dirname, '../golden/sft');
  cpSync(join(golden, 'train.jsonl'), join(folder, 'chats.jsonl'));
  const recipe = {
    model: join(golden, 'model'),
    task: 'sft',
    data: { train: 'chats.jsonl', validation: 'chats.jsonl', max_length: 128 },
    method: { name: 'lora', r: 4, target_modules: 'all-linear' },
    training: { max_steps: 10, per_device_train_batch_size: 8, learning_rate: 2e-2, save_strategy: 'no' },
    threads: 1,
    output_dir: 'chat',
  };
  writeRecipe(folder, recipe, 'chat.json');
  await train(['chat.json'], place);
  const { metrics, compared_rows: rows, max_logit_difference: difference } = await merge('chat');
  expect(rows).toBe(8);
  expect(difference).toBeGreaterThan(0);
  expect(difference).toBeLessThan(1e-4);
  expect(metrics!.after['perplexity']).toBeCloseTo(metrics!.before['perplexity']!, 3);
  rmSync(join(folder, 'chats.jsonl'));
  expect(await merge('chat')).toMatchObject({ compared_rows: null, max_logit_difference: expect.any(Number) });
  const strict = await attune(['merge', 'chat', '--output', 'no', '--max-drift', '0', '--json'], place);
  expect([strict.code, errorOf(strict).code]).toEqual([1, 'MERGE_DRIFT']);
});
