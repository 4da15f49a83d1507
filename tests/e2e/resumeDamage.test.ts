/** Whatever a crash or a disk left in a run's folder: the newest whole checkpoint is found, and nothing good is lost. */
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { brokenAfter, checkpointsOf, killWhen, type Outcome, outcomeOf } from '../crash/outcome.ts';
import { attune, errorOf, objectOf, type Run, readJson, start, temporaryFolder, train, writeRecipe } from './attune.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
const run = join(folder, 'run');
const at = (...names: string[]) => join(run, 'checkpoints', ...names);
let whole: Outcome;

beforeAll(async () => {
  writeReviews(folder);
  // The last evaluations are the best: when a run breaks off, its model is newer than its checkpoints.
  const training = { dropout: 0.1, save_steps: 5, save_total_limit: 9, num_train_epochs: 2 };
  const evaluation = { eval_steps: 4 };
  writeRecipe(folder, tinyRecipe({ evaluation, training: { ...training, metric_for_best_model: 'loss' } }));
  await train(['recipe.json', 'output_dir=whole'], place);
  whole = outcomeOf(join(folder, 'whole'));
}, 60_000);

beforeEach(() => {
  rmSync(run, { recursive: true, force: true });
  brokenAfter(join(folder, 'whole'), 15, run);
});

/** Resumes and expects the end of a run that was left alone. Returns what was told. */
async function expectSame(from: number, ...words: string[]): Promise<string> {
  const { code, stdout, stderr } = await attune(['train', 'recipe.json', '--resume', '--json', ...words], place);
  expect(code, stdout).toBe(0);
  expect(outcomeOf(run)).toEqual(whole);
  expect(readJson(run, 'run.json').resumed_at_steps).toEqual([from]);
  return stderr;
}

function flip(path: string): void {
  const bytes = readFileSync(path);
  const middle = Math.floor(bytes.length / 2);
  bytes[middle] = bytes[middle]! ^ 1;
  rmSync(path); // Not in place: a linked file is the model's too.
  writeFileSync(path, bytes);
}

describe('the newest checkpoint', () => {
  it('is the one of the highest step, whatever the clock said', async () => {
    utimesSync(at('step-5'), new Date('2099-01-01'), new Date('2099-01-01'));
    utimesSync(at('step-15'), new Date('1970-01-02'), new Date('1970-01-02'));
    expect(await expectSame(15)).toContain('goes on after step 15');
  });

  it.each([
    ['cut short', () => truncateSync(at('step-15/trainer.safetensors'), 1000), 'trainer.safetensors has 1000 bytes'],
    [
      'changed by one bit',
      () => flip(at('step-15/trainer.safetensors')),
      'trainer.safetensors is not what was written',
    ],
    [
      'changed in its best model',
      () => flip(at('step-15/linked/model.safetensors')),
      'linked/model.safetensors is not',
    ],
    ['without a file', () => rmSync(at('step-15/state.json')), 'state.json is missing'],
    ['without its manifest', () => rmSync(at('step-15/manifest.json')), 'manifest.json is missing'],
    ['with half a manifest', () => truncateSync(at('step-15/manifest.json'), 40), 'manifest.json is damaged'],
    ['of another step', () => cpSync(at('step-10'), at('step-15'), { recursive: true }), 'manifest.json is of step 10'],
  ])('is named and passed over when it is %s', async (_, damage, fault) => {
    damage();
    const told = await expectSame(10);
    expect(told).toContain(`checkpoint of step 15 is damaged and not used: ${fault}`);
    expect(checkpointsOf(run)).toEqual([5, 10, 15, 20]);
  });

  it('is the beginning where none is whole', async () => {
    for (const step of [5, 10, 15]) flip(at(`step-${step}/state.json`));
    const told = await expectSame(0);
    expect(told).toContain('there is no checkpoint to go on from: the run starts');
  });
});

describe('what a killed program leaves', () => {
  it('is removed, and half a line of metrics.jsonl with it', async () => {
    mkdirSync(at('.step-20.4242-0123abcd'));
    mkdirSync(join(run, '.model.4242-0123abcd'));
    writeFileSync(join(run, '.run.json.4242-0123abcd'), '{');
    writeFileSync(join(run, '.mine'), 'kept');
    appendFileSync(join(run, 'metrics.jsonl'), '{"step": 1');
    rmSync(join(run, 'model'), { recursive: true }); // It had stepped aside for a better one.
    await expectSame(15);
    const hidden = [...readdirSync(run), ...readdirSync(at())].filter((name) => name.startsWith('.'));
    expect(hidden).toEqual(['.mine']);
  });

  it('leaves earlier lines of metrics.jsonl as they are', async () => {
    // As long as it is not read back, a line that nobody else could write shows that it was kept.
    const [first, ...others] = readFileSync(join(run, 'metrics.jsonl'), 'utf8').split('\n');
    writeFileSync(join(run, 'metrics.jsonl'), [first!.replace('{', '{ '), ...others].join('\n'));
    await expectSame(15);
    expect(readFileSync(join(run, 'metrics.jsonl'), 'utf8').startsWith('{ ')).toBe(true);
  });
});

describe('Ctrl-C', () => {
  it('saves a checkpoint of the last step and ends with 130; resumed, the run is the same', async () => {
    rmSync(run, { recursive: true });
    const started = start(['train', 'recipe.json', 'save_strategy=epoch', '~training.save_steps', '--json'], place);
    await started.told('step 4: validation');
    started.child.kill('SIGINT');
    const stopped = await started.finished;
    expect(stopped.code, stopped.stdout).toBe(130);
    const { status, steps } = objectOf<Run>(stopped);
    expect(status).toBe('stopped');
    expect(checkpointsOf(run)).toContain(steps);
    await train(['recipe.json', '--resume', 'save_strategy=epoch', '~training.save_steps'], place);
    const settings = ['save_strategy', 'save_steps'];
    const record = (found: Outcome) =>
      JSON.stringify(found.record, (key, value) => (settings.includes(key) ? 0 : value));
    const resumed = outcomeOf(run);
    expect(resumed.model).toEqual(whole.model);
    expect(resumed.curve).toEqual(whole.curve);
    expect(JSON.parse(record(resumed)).metrics).toEqual(JSON.parse(record(whole)).metrics);
  });

  it('right after a resume leaves the best model of then, not the newer one that had been saved', async () => {
    // Evaluated after steps 12 and 24: resumed at 15, the better model of 24 lies in the folder too early.
    const words = [
      'train',
      'recipe.json',
      'eval_strategy=epoch',
      '~evaluation.eval_steps',
      'metric_for_best_model=loss',
      'learning_rate=0.0005',
    ];
    await train([...words.slice(1), 'output_dir=epochs'], place);
    expect(readJson(folder, 'epochs/run.json').best_step).toBe(24);
    brokenAfter(join(folder, 'epochs'), 15, join(folder, 'early'));
    const started = start([...words, 'output_dir=early', '--resume', '--json'], place);
    await started.told('rows to learn from');
    started.child.kill('SIGINT');
    const stopped = objectOf<Run>(await started.finished);
    expect(stopped.steps).toBeLessThan(24);
    expect(stopped.best_step).toBe(12);
    const asked = await attune(['eval', 'early', '--json'], place);
    const { metrics: found } = objectOf<{ metrics: Run['metrics'] }>(asked);
    expect(found.loss).toBeCloseTo(stopped.metrics.loss!, 6);
    await train([...words.slice(1), 'output_dir=early', '--resume'], place);
    expect(outcomeOf(join(folder, 'early'))).toEqual(outcomeOf(join(folder, 'epochs')));
  });
});

describe('two programs on one run', () => {
  it('the second is refused while the first goes on, and afterwards may go on itself', async () => {
    const words = ['train', 'recipe.json', 'num_train_epochs=100000', 'output_dir=shared', '--resume', '--json'];
    const first = start(words, place);
    await first.told('step 4: validation');
    const second = await attune(words, place);
    expect(second.code).toBe(2);
    expect(errorOf(second)).toMatchObject({
      code: 'RUN_IN_USE',
      where: 'output_dir shared',
      problem: expect.stringContaining(`process ${first.child.pid}`),
    });
    expect(first.child.exitCode).toBe(null);
    expect(await killWhen(first, () => true)).toBe(true);
    const third = start(words, place);
    await third.told('goes on after step');
    third.child.kill('SIGINT');
    expect((await third.finished).code).toBe(130);
    expect(existsSync(join(folder, 'shared/run.lock'))).toBe(false);
  });
});

describe('what is kept', () => {
  it.each([
    ['the newest ones', ['save_steps=3', 'save_total_limit=3'], [18, 21, 24]],
    ['the ends of epochs', ['save_strategy=epoch', '~training.save_steps'], [12, 24]],
    ['nothing where that is asked for', ['save_strategy=no', '~training.save_steps'], []],
    ['one now and then by the clock', ['save_minutes=1e-9', 'save_total_limit=2'], [23, 24]],
  ])('%s', async (name, words, steps) => {
    const output = name.replaceAll(' ', '-');
    await train(['recipe.json', ...words, `output_dir=${output}`], place);
    expect(checkpointsOf(join(folder, output))).toEqual(steps);
  });
});
