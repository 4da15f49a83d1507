/** Where a run goes: nothing that is there is ever replaced, and of two runs one wins. */
import { chmodSync, cpSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  attune,
  contentsOf,
  errorOf,
  type Finished,
  readJson,
  temporaryFolder,
  tinyModel,
  train,
  writeRecipe,
} from './attune.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
beforeAll(() => {
  writeReviews(folder);
  writeRecipe(folder, tinyRecipe({ training: { max_steps: 2 } }));
});

describe('a folder that is in use', () => {
  it('is refused, and the run in it stays as it was, byte for byte', async () => {
    await train(['recipe.json'], place);
    const before = contentsOf(join(folder, 'run'));
    const finished = await attune(['train', 'recipe.json', 'seed=1', '--json'], place);
    expect(finished.code).toBe(2);
    expect(errorOf(finished)).toEqual({
      code: 'OUTPUT_EXISTS',
      where: 'output_dir run',
      problem: expect.stringContaining('holds a run already'),
      fix: expect.stringContaining('choose another output_dir'),
    });
    expect(contentsOf(join(folder, 'run'))).toEqual(before);
  });

  it('is refused where a run would replace a model: the base itself, say', async () => {
    cpSync(tinyModel, join(folder, 'base/model'), { recursive: true });
    const before = contentsOf(join(folder, 'base'));
    const finished = await attune(['train', 'recipe.json', 'model=base/model', 'output_dir=base', '--json'], place);
    expect(finished.code).toBe(2);
    expect(errorOf(finished)).toMatchObject({ code: 'OUTPUT_EXISTS', problem: expect.stringContaining('model') });
    expect(contentsOf(join(folder, 'base'))).toEqual(before);
  });

  it('is refused before time is spent: before the model is looked for', async () => {
    mkdirSync(join(folder, 'used'));
    writeFileSync(join(folder, 'used/run.json'), '{}');
    const finished = await attune(['train', 'recipe.json', 'model=no/such', 'output_dir=used', '--json'], place);
    expect(errorOf(finished).code).toBe('OUTPUT_EXISTS');
  });

  it('is used where nothing in it would be replaced', async () => {
    mkdirSync(join(folder, 'notes'));
    writeFileSync(join(folder, 'notes/why.txt'), 'kept');
    await train(['recipe.json', 'output_dir=notes'], place);
    const names = ['metrics.jsonl', 'model', 'predictions.jsonl', 'report.html', 'run.json', 'why.txt'];
    expect(readdirSync(join(folder, 'notes')).sort()).toEqual(names);
  });
});

describe('two runs that begin together', () => {
  it('do not share a folder: exactly one wins, and its run is whole', async () => {
    const words = (seed: number) => ['train', 'recipe.json', `seed=${seed}`, 'output_dir=shared', '--json'];
    const both = await Promise.all([attune(words(1), place), attune(words(2), place)]);
    const winner = both.findIndex(({ code }) => code === 0);
    expect(both.map(({ code }) => code).sort()).toEqual([0, 2]);
    expect(errorOf(both[1 - winner]!).code).toBe('OUTPUT_EXISTS');
    expect(readJson(folder, 'shared/run.json')).toMatchObject({
      status: 'succeeded',
      recipe: { training: { seed: winner + 1 } },
    });
  });
});

describe('a place that cannot be written', () => {
  it.each([
    ['below a file', 'recipe.json/run', 1, 'OUTPUT_WRITE'],
    ['a file itself', 'recipe.json', 2, 'OUTPUT_EXISTS'],
  ])('is refused: %s', async (_, output, code, name) => {
    const finished = await attune(['train', 'recipe.json', `output_dir=${output}`, '--json'], place);
    expect(finished.code).toBe(code);
    expect(errorOf(finished)).toMatchObject({
      code: name,
      where: expect.stringContaining(output),
      fix: expect.stringContaining('output_dir'),
    });
  });
});

const isRoot = process.getuid?.() === 0;
/** Root may write everywhere: where the tests run as root, these run as a user who may not. */
const user = isRoot ? 65_534 : undefined;
const canJudge =
  process.platform !== 'win32' && (!isRoot || (await attune(['--version'], { cwd: '/', user })).code === 0);
if (!canJudge) console.warn('SKIPPED: folders without write permission (nobody but root can run this build)');

describe.skipIf(!canJudge)('a folder without permission', () => {
  const closed = join(folder, 'closed');
  const asUser = { cwd: folder, user };
  const expectClosed = ({ code, stdout }: Finished, where: string) => {
    expect(code, stdout).toBe(1);
    expect(errorOf({ code, stdout, stderr: '' })).toEqual({
      code: 'OUTPUT_WRITE',
      where,
      problem: expect.stringMatching(/EACCES: permission denied/),
      fix: expect.stringMatching(/choose an(other)? (output_dir|--output)/),
    });
    expect(readdirSync(closed)).toEqual(['kept.txt']);
  };

  beforeAll(async () => {
    await train(['recipe.json', 'output_dir=trained'], place);
    mkdirSync(closed);
    writeFileSync(join(closed, 'kept.txt'), 'kept');
    chmodSync(closed, 0o555);
    chmodSync(folder, 0o755);
  });

  // Who may not write in a folder may not clear it away either.
  afterAll(() => {
    for (const name of ['closed', 'secret']) chmodSync(join(folder, name), 0o755);
  });

  it.each(['closed/run', 'closed/a/b', 'closed'])('is refused before training: %s', async (output) => {
    const finished = await attune(['train', 'recipe.json', `output_dir=${output}`, '--json'], asUser);
    expectClosed(finished, output);
  });

  it('is refused for a merged model', async () => {
    const finished = await attune(['merge', 'trained', '--output', 'closed/model', '--json'], asUser);
    expectClosed(finished, join(closed, 'model'));
  });

  it('is refused for a first recipe', async () => {
    const finished = await attune(['init', '--dir', 'closed', '--json'], asUser);
    expect(finished.code, finished.stdout).toBe(1);
    expect(errorOf(finished)).toMatchObject({ code: 'OUTPUT_WRITE', where: expect.stringContaining('closed') });
  });

  it('is refused for a run that lies in it and that may not be read', async () => {
    mkdirSync(join(folder, 'secret'));
    chmodSync(join(folder, 'secret'), 0o000);
    const finished = await attune(['train', 'recipe.json', 'output_dir=secret', '--json'], asUser);
    expect(finished.code, finished.stdout).toBe(1);
    expect(errorOf(finished)).toMatchObject({ code: 'OUTPUT_WRITE', where: 'secret' });
  });
});
