import { describe, expect, test } from 'vitest';
import { row } from '../row.ts';
import { readPrompts } from './prompts.ts';

const read = (...values: object[]) =>
  readPrompts(
    values.map((value, i) => row(value as Record<string, unknown>, 'd.jsonl', i + 1)),
    undefined,
  );
const only = (values: object) => {
  const { conversations, problems } = read(values);
  expect(problems).toEqual([]);
  return conversations[0]!.messages;
};
const faults = (values: object) =>
  read(values).problems.map(({ code, where, problem }) => `${code} ${where} ${problem}`);
const user = (content: string) => ({ role: 'user', content });
const answer = (content: string) => ({ role: 'assistant', content });
const calling = { role: 'assistant', content: '', tool_calls: [{ function: { name: 'weather', arguments: {} } }] };
const result = { role: 'tool', content: '7 degrees' };

describe('what is asked', () => {
  test('a conversation up to its last answer, however that looks', () => {
    expect(only({ messages: [user('a'), answer('b'), user('c'), answer('d')] })).toEqual([
      user('a'),
      answer('b'),
      user('c'),
    ]);
    expect(only({ messages: [user('a')] })).toEqual([user('a')]);
    expect(only({ messages: [user('a'), answer('')] })).toEqual([user('a')]);
    expect(
      only({
        conversations: [
          { from: 'human', value: 'a' },
          { from: 'gpt', value: 'b' },
        ],
      }),
    ).toEqual([user('a')]);
  });

  test('the result of a call is answered, and a call at the end is the answer', () => {
    expect(only({ messages: [user('a'), calling, result, answer('b')] }).map(({ role }) => role)).toEqual([
      'user',
      'assistant',
      'tool',
    ]);
    expect(only({ messages: [user('a'), calling] })).toEqual([user('a')]);
  });

  test('formats without their answers, and plain texts', () => {
    expect(only({ prompt: 'a' })).toEqual([user('a')]);
    expect(only({ prompt: 'a', completion: 'b' })).toEqual([user('a')]);
    expect(only({ prompt: [user('a'), answer('b'), user('c')] }).map(({ content }) => content)).toEqual([
      'a',
      'b',
      'c',
    ]);
    expect(only({ instruction: 'add', input: '1 1' })).toEqual([user('add\n\n1 1')]);
    expect(only({ instruction: 'add', output: '2', history: [['a', 'b']] })).toEqual([
      user('a'),
      answer('b'),
      user('add'),
    ]);
    expect(only({ text: 'a', system: 's' })).toEqual([{ role: 'system', content: 's' }, user('a')]);
    // A text beside a conversation is something else.
    expect(only({ text: 'x', messages: [user('a')] })).toEqual([user('a')]);
  });

  test.each([
    ['roles out of order', { messages: [user('a'), user('b')] }, 'CHAT_ORDER d.jsonl:1 message 2'],
    ['nothing asked', { messages: [answer('a')] }, 'CHAT_ORDER d.jsonl:1 no turn asks anything'],
    ['a system message alone', { messages: [{ role: 'system', content: 's' }] }, 'CHAT_ORDER d.jsonl:1 it ends with'],
    ['an empty question', { prompt: ' ' }, 'CHAT_CONTENT d.jsonl:1 message 1 (user) is empty'],
    ['an unknown role', { messages: [{ role: 'usr', content: 'a' }] }, 'CHAT_ROLE_UNKNOWN d.jsonl:1 message 1'],
    [
      'a call without its result',
      { messages: [user('a'), { ...calling, tool_calls: [...calling.tool_calls, ...calling.tool_calls] }, result] },
      'CHAT_TOOL_RESULTS d.jsonl:1 message 4 follows a call of weather that has no result',
    ],
    ['columns of two formats', { prompt: 'a', instruction: 'b' }, 'DATA_FORMAT d.jsonl:1 the columns fit two formats'],
    ['columns of none', { question: 'a' }, 'DATA_FORMAT d.jsonl:1 no format has these columns: question'],
  ])('%s is refused with its place', (_, values, problem) => {
    expect(faults(values)).toEqual([expect.stringContaining(problem)]);
  });
});
