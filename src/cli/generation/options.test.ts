import { expect, test } from 'vitest';
import { settingsOf } from './options.ts';

const none = { 'logit-bias': [], stop: [] };
const ask = (given: object) => {
  const words: object = { ...none, ...given };
  return settingsOf(words as Parameters<typeof settingsOf>[0], { name: 'generate' });
};

test.each<[object, problem: RegExp, fix: string]>([
  [{ temperature: -1 }, /got -1/, 'give a number of at least 0'],
  [{ 'top-p': 2 }, /got 2/, 'give a number above 0 and at most 1'],
  [{ 'max-new-tokens': 0.5 }, /got 0.5/, 'give a whole number of at least 1'],
  [{ stop: [''] }, /got ""/, 'give a text that is not empty'],
])('%j: option, value and what it takes are told', async (given, problem, fix) => {
  const [option] = Object.keys(given);
  const error = await ask(given).catch((failure: unknown) => failure);
  expect(error).toMatchObject({ code: 'USAGE', fix: expect.stringContaining(fix) });
  expect((error as Error).message).toContain(`--${option}`);
  expect((error as Error).message).toMatch(problem);
});
