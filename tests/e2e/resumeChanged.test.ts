/** A run is resumed as the run it was: what changed is shown, and refused unless that was asked for and makes sense. */
import { appendFileSync, cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { brokenAfter, outcomeOf } from '../crash/outcome.ts';
import { attune, contentsOf, errorOf, readJson, temporaryFolder, train, writeRecipe } from './attune.ts';
import { reviews, tinyRecipe, writeReviews, writeRows } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };

beforeAll(async () => {
  writeReviews(folder);
  const training = { dropout: 0.1, save_steps: 7, save_total_limit: 9, num_train_epochs: 2 };
  writeRecipe(folder, tinyRecipe({ training }));
  await train(['recipe.json', 'output_dir=whole'], place);
}, 60_000);

beforeEach(() => {
  rmSync(join(folder, 'run'), { recursive: true, force: true });
  writeReviews(folder);
  brokenAfter(join(folder, 'whole'), 14, join(folder, 'run'));
});

const resume = (...words: string[]) => attune(['train', 'recipe.json', ...words, '--resume', '--json'], place);

/** Refused with 2 and a line for each difference; the run stays as it is, and can still be resumed. */
async function expectRefused(words: readonly string[], lines: readonly (string | RegExp)[]) {
  const before = contentsOf(join(folder, 'run'));
  const finished = await resume(...words);
  expect(finished.code, finished.stdout).toBe(2);
  const error = errorOf(finished);
  expect(error).toMatchObject({ code: 'RESUME_CHANGED', where: 'output_dir run' });
  for (const line of lines) expect(error.problem).toMatch(line);
  expect(contentsOf(join(folder, 'run'))).toEqual(before);
  return error;
}

describe('settings that change what is learned', () => {
  it('are shown with both values and refused; with --allow-changes the run goes on with them', async () => {
    const words = ['learning_rate=0.001', 'num_train_epochs=3'];
    const { fix } = await expectRefused(words, [
      'training.learning_rate: 0.003 -> 0.001',
      'training.num_train_epochs: 2 -> 3',
    ]);
    expect(fix).toContain('--allow-changes');
    const allowed = await resume(...words, '--allow-changes');
    expect(allowed.code, allowed.stderr).toBe(0);
    expect(allowed.stderr).toContain('changed training.learning_rate: 0.003 -> 0.001');
    expect(readJson(folder, 'run/run.json')).toMatchObject({ steps: 36, resumed_at_steps: [14] });
    expect(readJson(folder, 'run/run.json').run_id).not.toBe(readJson(folder, 'whole/run.json').run_id);
  });

  it.each([
    ['the model would be another function', ['method=freeze'], 'method.name: full -> freeze'],
    ['the place in the data would be another', ['per_device_train_batch_size=4'], 'steps per epoch: 12 -> 24'],
    ['the best evaluation was of other rows', ['data.validation=test.jsonl'], 'validation rows: sha256'],
    ['it would end before it has begun', ['max_steps=13'], 'it has done 14 steps already, and would end after 13'],
  ])('are refused even so where %s', async (_, words, line) => {
    const { fix } = await expectRefused([...words, '--allow-changes'], [line]);
    expect(fix).not.toContain('--allow-changes');
  });

  it('are not: what is logged, saved and tested, the names of files, and where the run lies', async () => {
    cpSync(join(folder, 'train.jsonl'), join(folder, 'moved.jsonl'));
    cpSync(join(folder, 'run'), join(folder, 'elsewhere'), { recursive: true });
    const words = ['logging_steps=3', 'save_steps=5', 'data.test=test.jsonl', 'data.train=moved.jsonl'];
    const finished = await resume(...words, 'output_dir=elsewhere');
    expect(finished.code, finished.stdout).toBe(0);
    const weights = (run: string) => [...outcomeOf(join(folder, run)).model];
    expect(weights('elsewhere')).toEqual(weights('whole'));
    expect(readJson(folder, 'elsewhere/run.json').run_id).toBe(readJson(folder, 'whole/run.json').run_id);
  });
});

it('--allow-changes alone is refused: it would do nothing', async () => {
  const { code, stdout } = await attune(['train', 'recipe.json', '--allow-changes', 'output_dir=x', '--json'], place);
  expect(code).toBe(2);
  expect(stdout).toContain('is for a run that is resumed');
});

describe('a data file', () => {
  it('that changed is named with both checksums and refused', async () => {
    writeRows(folder, 'train.jsonl', [...reviews(95), { text: 'good film', label: 'positive' }]);
    await expectRefused([], [/data\.train train\.jsonl: sha256 [0-9a-f]{12} -> sha256 [0-9a-f]{12}/]);
    const allowed = await resume('--allow-changes');
    expect(allowed.code, allowed.stderr).toBe(0);
  });

  it('that grew past the steps of an epoch is refused whatever is allowed', async () => {
    appendFileSync(join(folder, 'train.jsonl'), `${JSON.stringify({ text: 'bad act', label: 'negative' })}\n`);
    await expectRefused(['--allow-changes'], ['steps per epoch: 12 -> 13']);
  });

  it('that is gone is told as for a new run, and the run stays', async () => {
    rmSync(join(folder, 'train.jsonl'));
    const before = contentsOf(join(folder, 'run'));
    const finished = await resume();
    expect(finished.code).toBe(2);
    expect(errorOf(finished)).toMatchObject({ code: 'DATA_FILE', where: expect.stringContaining('train.jsonl') });
    expect(contentsOf(join(folder, 'run'))).toEqual(before);
  });
});

describe('a finished run', () => {
  it('refuses other settings, and with --allow-changes goes on from its last checkpoint', async () => {
    cpSync(join(folder, 'whole'), join(folder, 'longer'), { recursive: true });
    const words = ['num_train_epochs=3', 'output_dir=longer'];
    const refused = await resume(...words);
    expect(errorOf(refused)).toMatchObject({
      code: 'RESUME_CHANGED',
      problem: expect.stringContaining('training.num_train_epochs: 2 -> 3'),
    });
    expect((await resume(...words, '--allow-changes')).code).toBe(0);
    expect(readJson(folder, 'longer/run.json')).toMatchObject({ steps: 36, resumed_at_steps: [21] });
  });

  it('is not begun anew where its checkpoints are gone', async () => {
    cpSync(join(folder, 'whole'), join(folder, 'bare'), { recursive: true });
    rmSync(join(folder, 'bare/checkpoints'), { recursive: true });
    const before = contentsOf(join(folder, 'bare'));
    const finished = await resume('num_train_epochs=3', 'output_dir=bare', '--allow-changes');
    expect(errorOf(finished)).toMatchObject({
      code: 'RESUME_CHANGED',
      problem: expect.stringContaining('none of its checkpoints is left'),
    });
    expect(contentsOf(join(folder, 'bare'))).toEqual(before);
  });
});

describe('the run id', () => {
  it('is the same for the same settings, data, base and code, and another for another seed', async () => {
    const idOf = async (name: string, ...words: string[]) => {
      await train(['recipe.json', 'max_steps=1', `output_dir=${name}`, ...words], place);
      return readJson(folder, name, 'run.json').run_id;
    };
    const id = await idOf('id-1');
    expect(id).toMatch(/^[0-9a-f]{16}$/);
    expect(await idOf('id-2')).toBe(id);
    expect(await idOf('id-3', 'seed=1')).not.toBe(id);
  });
});
