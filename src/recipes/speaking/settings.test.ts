import { expect, test } from 'vitest';
import { checkedSettings } from './settings.ts';

test.each<[object, where: string, problem: string, fix: string]>([
  [{ top_p: 2 }, 'top_p', 'got 2', 'give a number above 0 and at most 1'],
  [{ top_p: 0 }, 'top_p', 'got 0', 'give a number above 0 and at most 1'],
  [{ min_p: -1 }, 'min_p', 'got -1', 'give a number from 0 to 1'],
  [{ temperature: -1 }, 'temperature', 'got -1', 'give a number of at least 0'],
  [{ presence_penalty: 3 }, 'presence_penalty', 'got 3', 'give a number from -2 to 2'],
  [{ logit_bias: 5 }, 'logit_bias', 'got 5', 'give a mapping from ids of tokens to numbers'],
  [{ logit_bias: { 5: 'x' } }, 'logit_bias.5', 'got "x"', 'give a number'],
  [
    { logit_bias: { the: 1 } },
    'logit_bias',
    'got the key "the": keys are token ids',
    'give a mapping from ids of tokens to numbers',
  ],
])('%j: the value and what the setting takes are told', (given, where, problem, fix) => {
  const refusal = { code: 'CONFIG_INVALID', where, problem, fix };
  expect(() => checkedSettings(given)).toThrow(expect.objectContaining(refusal));
});

test('what is not given has its default', () => {
  expect(checkedSettings({ top_p: 1, logit_bias: { 5: -1 } })).toMatchObject({
    top_p: 1,
    temperature: 0,
    logit_bias: { 5: -1 },
  });
});
