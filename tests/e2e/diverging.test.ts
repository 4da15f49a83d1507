/** A run that goes wrong is led back or stopped by a guard, keeps what was good, and says what went wrong and where. */
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { brokenAfter, outcomeOf } from '../crash/outcome.ts';
import {
  attune,
  contentsOf,
  errorOf,
  type Finished,
  objectOf,
  readJson,
  readLines,
  start,
  temporaryFolder,
  tensorsOf,
  tinyModel,
  writeRecipe,
} from './attune.ts';
import { reviews, tinyRecipe, writeReviews, writeRows } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };

interface Guarded {
  readonly skipped_steps: number;
  readonly rollbacks: number;
  readonly warnings: number;
  readonly events: readonly GuardEvent[];
}

interface GuardEvent {
  readonly step: number;
  readonly event: string;
  readonly reason: string;
  readonly layer: string | null;
  readonly worst_rows: readonly string[];
  readonly rows: readonly string[];
}

const guardsOf = (output: string) => readJson<{ guards: Guarded }>(folder, output, 'run.json').guards;
const eventsOf = (output: string) =>
  readLines<Partial<GuardEvent>>(folder, output, 'metrics.jsonl').filter(({ event }) => event !== undefined);

/** Writes values over a part of a tensor of a copied model. */
function overwrite(model: string, tensor: string, { from, values }: { from: number; values: readonly number[] }): void {
  const path = join(folder, model, 'model.safetensors');
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<string, { data_offsets: [number, number] }>;
  const place = start + header[tensor]!.data_offsets[0] + 4 * from;
  for (const [i, value] of values.entries()) bytes.writeFloatLE(value, place + 4 * i);
  writeFileSync(path, bytes);
}

const copyModel = (name: string): void => cpSync(tinyModel, join(folder, name), { recursive: true });
const WIDTH = 32;
/** A token, and a place in a text, that only the poisoned row has. Their embeddings are finite; their sum is not. */
const [POISON, FAR] = ['?', 20];
const POISONED_LINE = 41;

beforeAll(() => {
  writeReviews(folder);
  writeRecipe(folder, tinyRecipe());
  copyModel('overflowing');
  const vocabulary = readFileSync(join(tinyModel, 'vocab.txt'), 'utf8').split('\n');
  const huge = new Array<number>(WIDTH).fill(3e38);
  const rows = { word_embeddings: vocabulary.indexOf(POISON), position_embeddings: FAR };
  for (const [table, row] of Object.entries(rows)) {
    overwrite('overflowing', `bert.embeddings.${table}.weight`, { from: row * WIDTH, values: huge });
  }
  const poisoned = reviews(96).map((row, i) =>
    i === POISONED_LINE - 1 ? { ...row, text: `${'a '.repeat(FAR - 1)}${POISON}` } : row,
  );
  writeRows(folder, 'poisoned.jsonl', poisoned);
  writeRecipe(folder, tinyRecipe({ model: 'overflowing', data: { train: 'poisoned.jsonl' } }), 'poisoned.json');
});

const trainWith = (output: string, ...words: string[]): Promise<Finished> =>
  attune(['train', 'recipe.json', ...words, `output_dir=${output}`, '--json'], place);

/** Stopped by a guard, which run.json tells as well, and what it measured so far. */
function expectStopped(finished: Finished, output: string, code: string): void {
  expect(finished.code, finished.stdout).toBe(3);
  const error = errorOf(finished);
  expect(error).toMatchObject({ code, fix: expect.stringContaining('lower training.learning_rate') });
  expect(readJson(folder, output, 'run.json')).toMatchObject({
    status: 'stopped',
    error,
    timing: { train_seconds: expect.any(Number) },
    peak_memory_bytes: expect.any(Number),
  });
}

const weightsOf = (output: string) => join(folder, output, 'model/model.safetensors');

describe('a learning rate that is a hundred times too high', () => {
  it('is noticed, halved, and said aloud', async () => {
    const finished = await trainWith(
      'hundred',
      'learning_rate=0.3',
      'num_train_epochs=8',
      'safety.spike_action=rollback',
    );
    const { rollbacks, events } = guardsOf('hundred');
    expect(rollbacks).toBeGreaterThan(0);
    expect(events[0]).toMatchObject({ event: 'rolled_back', learning_rate_scale: 0.5 });
    expect(eventsOf('hundred')).toEqual(events);
    expect(finished.stderr).toContain(`rolled back step ${events[0]!.step}: ${events[0]!.reason}`);
    expect(readFileSync(join(folder, 'hundred/report.html'), 'utf8')).toContain('went back');
  });
});

describe('a learning rate without any sense', () => {
  it('ends the run with 3 and the step; there is no model to answer', async () => {
    const finished = await trainWith('high', 'learning_rate=1e20');
    expectStopped(finished, 'high', 'TRAINING_NOT_FINITE');
    expect(errorOf(finished).problem).toMatch(
      /^the loss is NaN, first in .*; the weights were not updated\. Rows of the step: /,
    );
    expect(guardsOf('high')).toMatchObject({ rollbacks: 3 });
    expect(readJson(folder, 'high/run.json')).toMatchObject({ metrics: null, best_step: null, artifact_bytes: null });
    expect(existsSync(join(folder, 'high/model'))).toBe(false);
    const asked = await attune(['predict', 'high', 'good', '--json'], place);
    expect(asked.code).toBe(2);
    expect(errorOf(asked)).toMatchObject({ code: 'RUN_INVALID', problem: expect.stringContaining('no model') });
  });

  it('is seen in the evaluation too', async () => {
    const finished = await trainWith('measured', 'learning_rate=1e25', 'max_steps=1');
    expectStopped(finished, 'measured', 'TRAINING_NOT_FINITE');
    expect(errorOf(finished).where).toBe('evaluation after step 1');
    expect(existsSync(weightsOf('measured'))).toBe(false);
  });

  it('is seen in the last weights where nothing is evaluated', async () => {
    const finished = await trainWith('last', 'learning_rate=1e39', 'max_steps=1', 'eval_strategy=no');
    expectStopped(finished, 'last', 'TRAINING_NOT_FINITE');
    expect(existsSync(weightsOf('last'))).toBe(false);
  });

  it('leaves the best model from before it went wrong', async () => {
    // A warm-up that is small at first: the first evaluation still finds a model that answers.
    const words = ['learning_rate=1e20', 'warmup_steps=48', 'eval_steps=1', 'lr_scheduler_type=linear'];
    const finished = await trainWith('best', ...words, 'safety.spike_action=stop');
    expect(finished.code, finished.stdout).toBe(3);
    const { best_step: best, metrics } = readJson(folder, 'best/run.json');
    expect(best).toBe(1);
    expect(metrics).toMatchObject({ loss: expect.any(Number) });
    for (const [name, values] of tensorsOf(weightsOf('best'))) expect(values.every(Number.isFinite), name).toBe(true);
    expect((await attune(['predict', 'best', 'good'], place)).code).toBe(0);
    expect(existsSync(join(folder, 'best/report.html'))).toBe(true);
  });
});

describe('a row whose loss is not finite', () => {
  const where = `poisoned.jsonl:${POISONED_LINE}`;
  const poisonedWith = (output: string, ...words: string[]) =>
    attune(['train', 'poisoned.json', ...words, `output_dir=${output}`, '--json'], place);

  it('costs its step and nothing else: the row and the layer are named, and the model learns', async () => {
    const before = contentsOf(join(folder, 'overflowing'));
    const finished = await poisonedWith('skipped');
    expect(finished.code, finished.stdout).toBe(0);
    const { skipped_steps: skipped, rollbacks, events } = guardsOf('skipped');
    // Once in each of four epochs.
    expect([skipped, rollbacks]).toEqual([4, 0]);
    for (const event of events) expect(event.rows).toContain(where);
    expect(events[0]).toMatchObject({
      event: 'skipped',
      reason: 'the loss is NaN',
      layer: 'bert.embeddings.position_embeddings (add)',
      worst_rows: [where],
    });
    expect(eventsOf('skipped')).toEqual(events);
    expect(objectOf<{ metrics: { accuracy: number } }>(finished).metrics.accuracy).toBeGreaterThan(0.9);
    for (const [name, values] of tensorsOf(weightsOf('skipped')))
      expect(values.every(Number.isFinite), name).toBe(true);
    expect(contentsOf(join(folder, 'overflowing'))).toEqual(before);
  });

  it('is the same by the bit in a second run, way back included', async () => {
    const words = ['safety.max_skipped_steps=1', 'method=lora'];
    await poisonedWith('first', ...words);
    await poisonedWith('second', ...words);
    expect(guardsOf('first')).toMatchObject({ skipped_steps: 2, rollbacks: 2 });
    const weights = (run: string) => readFileSync(join(folder, run, 'adapter/adapter_model.safetensors'));
    expect(weights('second').equals(weights('first'))).toBe(true);
    expect(eventsOf('second')).toEqual(eventsOf('first'));
  });

  it('is remembered by checkpoints: broken off anywhere, the run skips and goes back as it would have', async () => {
    const words = ['safety.max_skipped_steps=1', 'method=lora', 'save_steps=5', 'save_total_limit=100'];
    await poisonedWith('unbroken', ...words);
    expect(guardsOf('unbroken')).toMatchObject({ skipped_steps: 2, rollbacks: 2 });
    const whole = outcomeOf(join(folder, 'unbroken'));
    for (const step of [10, 20, 30, 40]) {
      brokenAfter(join(folder, 'unbroken'), step, join(folder, `after-${step}`));
      const resumed = await poisonedWith(`after-${step}`, ...words, '--resume');
      expect(resumed.code, resumed.stdout).toBe(0);
      expect(outcomeOf(join(folder, `after-${step}`)), `after step ${step}`).toEqual(whole);
    }
  });

  it('ends the run where that is asked for, with the best model so far', async () => {
    const words = ['safety.spike_action=stop', 'evaluation.eval_steps=1'];
    const finished = await poisonedWith('stopped', ...words);
    expectStopped(finished, 'stopped', 'TRAINING_NOT_FINITE');
    const error = errorOf(finished);
    expect(error.where).toMatch(/^step \d+$/);
    expect(error.problem).toContain(`first in bert.embeddings.position_embeddings (add), by itself so on ${where}`);
    const { best_step: best, steps } = readJson<{ best_step: number; steps: number }>(folder, 'stopped/run.json');
    expect(best).toBeLessThan(steps);
    expect((await attune(['predict', 'stopped', 'good'], place)).code).toBe(0);
    expect(finished.stderr).toContain('stopped step');
  });
});

describe('the base', () => {
  it('is refused where a weight is not a number, before a folder is made', async () => {
    copyModel('broken');
    overwrite('broken', 'bert.encoder.layer.1.output.dense.weight', { from: 7, values: [Number.NaN] });
    const finished = await trainWith('refused', 'model=broken');
    expect(finished.code).toBe(2);
    expect(errorOf(finished)).toMatchObject({
      code: 'WEIGHTS_NOT_FINITE',
      where: expect.stringContaining("'bert.encoder.layer.1.output.dense.weight'"),
      problem: 'value 7 of 1536 is NaN',
    });
    expect(existsSync(join(folder, 'refused'))).toBe(false);
  });

  it('is described by its hashes', async () => {
    await trainWith('hashed', 'max_steps=1');
    const hash = createHash('sha256')
      .update(readFileSync(join(tinyModel, 'model.safetensors')))
      .digest('hex');
    expect(readJson(folder, 'hashed/run.json')).toMatchObject({ base_sha256: { 'model.safetensors': hash } });
  });

  /** Trains on a copy, and changes it once a step has been done. */
  async function whileTraining(name: string, change: () => void): Promise<Finished> {
    copyModel(name);
    const words = [`model=${name}`, `output_dir=on-${name}`, 'num_train_epochs=12', '--json'];
    const running = start(['train', 'recipe.json', ...words], place);
    await running.told('step 12: validation');
    change();
    return await running.finished;
  }

  it('that another program writes to while the run goes on is an error', async () => {
    const tensor = 'bert.pooler.dense.bias';
    const finished = await whileTraining('changed', () => overwrite('changed', tensor, { from: 0, values: [0.25] }));
    expect(finished.code, finished.stdout).toBe(1);
    expect(errorOf(finished)).toMatchObject({
      code: 'BASE_CHANGED',
      where: expect.stringMatching(/model\.safetensors$/),
    });
    expect(readJson(folder, 'on-changed/run.json')).toMatchObject({ status: 'failed' });
  });

  it('that was only touched is none', async () => {
    const touch = () => utimesSync(join(folder, 'touched/model.safetensors'), new Date(), new Date());
    expect((await whileTraining('touched', touch)).code).toBe(0);
  });
});

describe('a run that learns nothing', () => {
  it('says so once, with what may be the matter', async () => {
    writeReviews(join(folder, 'two'), { bad: 'bad', good: 'good' });
    const data = { train: 'two/train.jsonl', validation: 'two/validation.jsonl' };
    writeRecipe(folder, tinyRecipe({ data, training: { learning_rate: 1e-9 } }), 'two.json');
    const run = await attune(['train', 'two.json', 'output_dir=idle', '--json'], place);
    expect(run.code, run.stdout).toBe(0);
    const { warnings, events } = guardsOf('idle');
    expect(warnings).toBe(1);
    expect(events).toEqual([
      { step: 24, event: 'warning', reason: expect.stringMatching(/^not learning: after 24 steps/) },
    ]);
    expect(events[0]!.reason).toContain('training.learning_rate 1e-9 is too low');
    expect(run.stderr).toContain(`warning ${events[0]!.reason}`);
    expect(readFileSync(join(folder, 'idle/report.html'), 'utf8')).toContain('Step 24: not learning');
  });

  it('is not said of a run that learns', async () => {
    const data = { train: 'two/train.jsonl', validation: 'two/validation.jsonl' };
    writeRecipe(folder, tinyRecipe({ data }), 'learning.json');
    await attune(['train', 'learning.json', 'output_dir=learning', '--json'], place);
    expect(guardsOf('learning')).toEqual({ skipped_steps: 0, rollbacks: 0, warnings: 0, events: [] });
  });
});
