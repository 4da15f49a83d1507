import { describe, expect, test } from 'vitest';
import { AttuneError, type ErrorCode, errorCodes, type Problem } from './index.ts';

const problem: Problem = {
  code: 'CONFIG_INVALID',
  where: 'recipe.yaml:7 training.seed',
  problem: 'got -4',
  fix: 'give a whole number of at least 0',
};

describe('AttuneError', () => {
  test('says place, problem, fix and code in two lines', () => {
    expect(new AttuneError(problem).message).toMatchInlineSnapshot(`
      "recipe.yaml:7 training.seed: got -4
        fix: give a whole number of at least 0  [CONFIG_INVALID]"
    `);
  });

  test('keeps each part for those who read it by program', () => {
    const error = new AttuneError(problem);
    expect(error).toBeInstanceOf(Error);
    expect(error).toMatchObject({ name: 'AttuneError', ...problem });
  });

  test('keeps the cause', () => {
    const cause = new Error('EACCES');
    expect(new AttuneError(problem, { cause }).cause).toBe(cause);
  });

  test('ends a command with the exit code of its code', () => {
    const exitOf = (code: ErrorCode) => new AttuneError({ ...problem, code }).exitCode;
    expect(exitOf('DOWNLOAD_FAILED')).toBe(1);
    expect(exitOf('CONFIG_INVALID')).toBe(2);
    expect(exitOf('TRAINING_NOT_FINITE')).toBe(3);
    for (const [code, { exit }] of Object.entries(errorCodes)) expect(exitOf(code as ErrorCode), code).toBe(exit);
  });
});

describe('codes', () => {
  test.each(Object.entries(errorCodes))('%s is SUBJECT_TROUBLE with two sentences', (code, { means, remedy }) => {
    expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
    // One line each, without the bar that would end a cell of the table in docs/errors.md.
    for (const sentence of [means, remedy]) expect(sentence).toMatch(/^[^|\n]{10,}\.$/);
  });

  test('a mistake in the input ends with 2, before time was spent', () => {
    const others = Object.entries(errorCodes).filter(([, { exit }]) => exit !== 2);
    expect(others.map(([code, { exit }]) => `${code} ${exit}`)).toMatchInlineSnapshot(`
      [
        "DOWNLOAD_FAILED 1",
        "DOWNLOAD_CORRUPT 1",
        "TRAINING_NOT_FINITE 3",
        "TRAINING_SPIKE 3",
        "TRAINING_NO_GRADIENT 3",
        "BASE_CHANGED 1",
        "OUTPUT_WRITE 1",
        "DISK_SPACE 1",
        "SAVE_FAULTY 1",
        "MERGE_DRIFT 1",
        "RUNTIME_FAILED 1",
      ]
    `);
  });
});
