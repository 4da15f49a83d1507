import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { findCheckpoints, holds, LINKED, pruneCheckpoints, writeCheckpoint } from './index.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'attune-checkpoints-'));
});
afterEach(() => rmSync(root, { recursive: true }));

const save = (step: number, text = `state of ${step}`) =>
  writeCheckpoint(root, step, { files: { state: [text, '!'] } });
const stateOf = (step: number) => readFileSync(join(root, `step-${step}/state`), 'utf8');

test('of several the one with the highest step is found, as a number and not as a text', async () => {
  for (const step of [9, 10, 100, 20]) await save(step);
  const { newest, damaged } = await findCheckpoints(root);
  expect(newest).toMatchObject({ step: 100, files: { state: { bytes: 13 } } });
  expect(damaged).toEqual([]);
  expect(stateOf(100)).toBe('state of 100!');
});

test('nothing is found where nothing was saved', async () => {
  expect(await findCheckpoints(join(root, 'none'))).toEqual({ damaged: [] });
});

describe('a save that fails', () => {
  test('leaves the earlier checkpoint of the step, and nothing else', async () => {
    await save(1);
    const broken = {
      state: ['new'],
      later: (function* () {
        yield 'x';
        throw new Error('power');
      })(),
    };
    await expect(writeCheckpoint(root, 1, { files: broken })).rejects.toThrow('power');
    expect(readdirSync(root)).toEqual(['step-1']);
    expect(stateOf(1)).toBe('state of 1!');
    expect((await findCheckpoints(root)).newest?.step).toBe(1);
  });

  test('because the disk gave back other bytes is told, and the earlier one stays', async () => {
    await save(1);
    const spoiled = {
      state: ['new'],
      later: (function* () {
        const beside = readdirSync(root).find((name) => name.startsWith('.'))!;
        writeFileSync(join(root, beside, 'state'), 'now');
        yield 'x';
      })(),
    };
    await expect(writeCheckpoint(root, 1, { files: spoiled })).rejects.toMatchObject({
      code: 'SAVE_FAULTY',
      where: join(root, 'step-1'),
      problem: expect.stringContaining('state is not what was written'),
    });
    expect(readdirSync(root)).toEqual(['step-1']);
    expect(stateOf(1)).toBe('state of 1!');
  });
});

describe('a linked folder', () => {
  test('takes no room for large files, and keeps what it had when the other is replaced or edited', async () => {
    const model = join(root, 'model');
    mkdirSync(model);
    writeFileSync(join(model, 'weights'), Buffer.alloc(4e6, 'good'));
    writeFileSync(join(model, 'notes'), 'small');
    await writeCheckpoint(root, 3, { files: {}, linked: model });
    const kept = join(root, 'step-3', LINKED);
    expect(statSync(join(kept, 'weights')).ino).toBe(statSync(join(model, 'weights')).ino);
    const { files } = (await findCheckpoints(root)).newest!;
    const wanted = { weights: files[`${LINKED}/weights`]!, notes: files[`${LINKED}/notes`]! };
    expect(await holds(model, wanted)).toBe(true);
    rmSync(join(model, 'weights'));
    expect(await holds(model, wanted)).toBe(false);
    writeFileSync(join(model, 'weights'), 'other');
    expect(await holds(model, wanted)).toBe(false);
    writeFileSync(join(model, 'notes'), 'edited');
    expect(readFileSync(join(kept, 'notes'), 'utf8')).toBe('small');
    expect(readFileSync(join(kept, 'weights')).equals(Buffer.alloc(4e6, 'good'))).toBe(true);
    expect((await findCheckpoints(root)).newest?.step).toBe(3);
  });
});

test('the newest are kept; damaged ones go first, however new', async () => {
  for (const step of [1, 2, 3, 4, 5]) await save(step);
  await pruneCheckpoints(root, 2, [5, 2]);
  expect(readdirSync(root).sort()).toEqual(['step-3', 'step-4']);
  await pruneCheckpoints(root, 9, []);
  expect(readdirSync(root).sort()).toEqual(['step-3', 'step-4']);
});
