import { describe, expect, test } from 'vitest';
import { type Row, row } from '../row.ts';
import { type ChatWishes, readConversations } from './conversations.ts';

const rowsOf = (...values: object[]): Row[] =>
  values.map((value, i) => row(value as Record<string, unknown>, 'd.jsonl', i + 1));
const read = (values: object | readonly object[], wishes: Partial<ChatWishes> = {}) =>
  readConversations(rowsOf(...[values].flat()), { format: 'auto', ...wishes });
const user = (content: string) => ({ role: 'user', content });
const answer = (content: string, more: object = {}) => ({ role: 'assistant', content, ...more });
const call = (name = 'weather', values: unknown = { city: 'Oslo' }, id?: string) => ({
  ...(id && { id }),
  type: 'function',
  function: { name, arguments: values },
});
/** The one conversation that a row gives. */
function only(values: object, wishes: Partial<ChatWishes> = {}) {
  const { conversations, problems } = read(values, wishes);
  expect(problems).toEqual([]);
  return conversations[0]!;
}
/** The codes, places and texts of a row's problems. */
const faults = (values: object, wishes: Partial<ChatWishes> = {}) =>
  read(values, wishes).problems.map(({ code, where, problem }) => `${code} ${where} ${problem}`);

describe('formats', () => {
  test('messages stand as they are; the place is that of the line', () => {
    const messages = [{ role: 'system', content: 'be brief' }, user('hi'), answer('hello', { weight: 1 })];
    expect(read({ messages }).format).toBe('messages');
    expect(only({ messages })).toEqual({ messages, tools: [], where: 'd.jsonl:1' });
  });

  test('parts of a text are joined, null counts as absent, and roles have other names', () => {
    const parts = [
      { type: 'text', text: 'a' },
      { type: 'text', text: 'b' },
    ];
    const messages = [{ role: 'developer', content: 's', name: null }, { role: 'human', content: parts }, answer('x')];
    expect(only({ messages }).messages).toEqual([{ role: 'system', content: 's' }, user('ab'), answer('x')]);
  });

  test('prompt and completion as texts, and as messages of which only the completion is learned from', () => {
    expect(only({ prompt: 'q', completion: 'a' }).messages).toEqual([user('q'), answer('a')]);
    const prompt = [user('1'), answer('2'), user('3')];
    const { messages } = only({ prompt, completion: [answer('4')] });
    expect(messages).toEqual([user('1'), answer('2', { weight: 0 }), user('3'), answer('4')]);
  });

  test('a text that is JSON is a text, unless it is a list of messages', () => {
    for (const [prompt, completion] of [
      ['List the names', '["Ann", "Bob"]'],
      ['[3, 1]', '[]'],
      ['Who?', '[{"name": "Ann", "role": "admin"}]'],
    ] as const) {
      expect(only({ prompt, completion }).messages).toEqual([user(prompt), answer(completion)]);
    }
    const completion = JSON.stringify([answer('a')]);
    expect(only({ prompt: JSON.stringify([user('q')]), completion }).messages).toEqual([user('q'), answer('a')]);
    expect(faults({ prompt: 'q', completion: '[{"role": "asistant", "content": "a"}]' })[0]).toMatch(/^CHAT_ROLE_UNK/);
  });

  test('alpaca: the input stands below the instruction; system and history come before', () => {
    const values = { instruction: 'add', input: '1 1', output: '2', system: 's', history: [['a', 'b']] };
    expect(only(values).messages).toEqual([
      { role: 'system', content: 's' },
      user('a'),
      answer('b'),
      user('add\n\n1 1'),
      answer('2'),
    ]);
    expect(only({ instruction: 'add', input: '', output: '2' }).messages).toEqual([user('add'), answer('2')]);
  });

  test('sharegpt, with a call, its result and tools as JSON text', () => {
    const conversations = [
      { from: 'human', value: 'weather in Oslo?' },
      { from: 'function_call', value: '{"name": "weather", "arguments": {"city": "Oslo"}}' },
      { from: 'observation', value: '7 °C' },
      { from: 'gpt', value: 'It is 7 °C.' },
    ];
    const tools = JSON.stringify([{ name: 'weather', parameters: {} }]);
    const found = only({ conversations, tools, system: 's' });
    expect(found.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'tool', 'assistant']);
    expect(found.messages[2]).toEqual({ role: 'assistant', content: '', tool_calls: [call()] });
    expect(found.tools).toEqual([{ type: 'function', function: { name: 'weather', parameters: {} } }]);
  });

  test('columns may have other names', () => {
    const columns = { prompt: 'question', completion: 'reply' };
    expect(only({ question: 'q', reply: 'a' }, { columns }).messages).toEqual([user('q'), answer('a')]);
    expect(
      only({ chat: [user('q'), answer('a')] }, { columns: { messages: 'chat' }, format: 'messages' }),
    ).toBeDefined();
  });

  test('columns of no format, and of two', () => {
    expect(read({ question: 'q', answer: 'a' }).problems).toEqual([
      expect.objectContaining({
        code: 'DATA_FORMAT',
        where: 'd.jsonl:1',
        fix: expect.stringContaining('prompt_completion (prompt, completion)'),
      }),
    ]);
    const both = { prompt: 'q', completion: 'a', messages: [user('q'), answer('b')] };
    expect(read(both).problems[0]).toMatchObject({ code: 'DATA_FORMAT', fix: expect.stringContaining('data.format') });
    expect(only(both, { format: 'prompt_completion' }).messages[1]).toEqual(answer('a'));
  });

  test('a row that lacks a column is told alone', () => {
    const { conversations, problems } = read([
      { prompt: 'q', completion: 'a' },
      { prompt: 'q', completon: 'a' },
    ]);
    expect(conversations).toHaveLength(1);
    expect(problems).toEqual([
      expect.objectContaining({ code: 'CHAT_MESSAGES', where: 'd.jsonl:2', line: 2, fix: "did you mean 'completon'?" }),
    ]);
  });
});

describe('tools', () => {
  const tools = [{ type: 'function', function: { name: 'weather' } }];

  test('arguments are an object, whether written as one or as its text; a call may end a row', () => {
    const asText = answer('', { tool_calls: [call('weather', '{"city": "Oslo"}', 'c1')] });
    expect(only({ messages: [user('q'), asText], tools }).messages[1]!.tool_calls).toEqual([
      call('weather', { city: 'Oslo' }, 'c1'),
    ]);
    const old = { role: 'assistant', function_call: { name: 'weather', arguments: '{}' } };
    expect(only({ messages: [user('q'), old], functions: [{ name: 'weather' }] }).messages[1]!.tool_calls).toEqual([
      call('weather', {}),
    ]);
  });

  test.each([
    ['CHAT_TOOLS', [user('q'), answer('', { tool_calls: [call('weather', '{oops')] })], 'are no JSON object: {oops'],
    ['CHAT_TOOLS', [user('q'), answer('', { tool_calls: [call('wether')] })], "calls 'wether', which is none"],
    ['CHAT_TOOLS', [user('q'), { role: 'assistant', tool_calls: [{ type: 'function' }] }], 'has no function name'],
    [
      'CHAT_TOOL_RESULTS',
      [user('q'), answer('', { tool_calls: [call()] }), user('?'), answer('a')],
      'message 3 follows a call of weather',
    ],
    ['CHAT_TOOL_RESULTS', [user('q'), answer('a'), { role: 'tool', content: '7' }, answer('b')], 'no tool was called'],
    [
      'CHAT_TOOL_RESULTS',
      [
        user('q'),
        answer('', { tool_calls: [call('weather', {}, 'c1')] }),
        { role: 'tool', content: '7', tool_call_id: 'c2' },
        answer('b'),
      ],
      "the call 'c2', which nobody made",
    ],
    [
      'CHAT_TOOL_RESULTS',
      [
        user('q'),
        answer('', { tool_calls: [call('weather', {}, 'c1'), call('weather', {}, 'c2')] }),
        { role: 'tool', content: '7', tool_call_id: 'c1' },
        { role: 'tool', content: '8', tool_call_id: 'c1' },
        answer('b'),
      ],
      "message 4 answers the call 'c1', which has its result",
    ],
    [
      'CHAT_TOOL_RESULTS',
      [user('q'), answer('', { tool_calls: [call()] }), answer('a')],
      'message 3 follows a call of weather that has no result',
    ],
    ['CHAT_TOOL_RESULTS', [user('q'), { role: 'tool', content: '7' }, answer('b')], 'no tool was called'],
    ['CHAT_TOOL_RESULTS', [{ role: 'tool', content: '7' }, answer('b')], 'no tool was called'],
  ])('%s: %#', (code, messages, text) => {
    expect(faults({ messages, tools })).toEqual([expect.stringContaining(text)]);
    expect(faults({ messages, tools })[0]).toMatch(new RegExp(`^${code} d\\.jsonl:1 `));
  });
});

describe('what is refused', () => {
  test.each([
    ['CHAT_MESSAGES', 'hi', 'the messages are no list'],
    ['CHAT_MESSAGES', [], 'the list of messages is empty'],
    ['CHAT_MESSAGES', ['hi'], 'message 1 is no object: "hi"'],
    ['CHAT_KEY_MISSING', [{ content: 'x' }], 'message 1 has no role'],
    ['CHAT_KEY_MISSING', [{ role: 'user' }], 'message 1 (user) has no content'],
    ['CHAT_KEY_UNKNOWN', [user('q'), answer('a', { wieght: 0 })], "message 2 has a key 'wieght'"],
    ['CHAT_ROLE_UNKNOWN', [{ role: 'usr', content: 'q' }], 'message 1 has the role "usr"'],
    ['CHAT_CONTENT', [user(' '), answer('a')], 'message 1 (user) is empty'],
    ['CHAT_CONTENT', [user('q'), answer('\n')], 'message 2 (assistant) is empty'],
    ['CHAT_CONTENT', [user('q'), answer('\u200b')], 'message 2 (assistant) is empty'],
    ['CHAT_CONTENT', [user('\ufeff\u200d '), answer('a')], 'message 1 (user) is empty'],
    ['CHAT_CONTENT', [{ role: 'user', content: [{ type: 'image' }] }, answer('a')], 'is no text'],
    ['CHAT_WEIGHT', [user('q'), answer('a', { weight: 0.5 })], 'the weight of message 2 is 0.5'],
    ['CHAT_WEIGHT', [{ ...user('q'), weight: 1 }, answer('a')], 'message 1 (user) has a weight'],
    ['CHAT_NO_ASSISTANT', [user('q')], 'no turn is the assistant'],
    ['CHAT_NO_ASSISTANT', [user('q'), answer('a', { weight: 0 })], 'the weight 0'],
    ['CHAT_ORDER', [user('q'), user('r'), answer('a')], "message 2 is the user's, after one of the user"],
    ['CHAT_ORDER', [answer('a')], "message 1 is the assistant's, after nothing"],
    ['CHAT_ORDER', [user('q'), answer('a'), answer('b')], "message 3 is the assistant's, after one of the assistant"],
    ['CHAT_ORDER', [user('q'), { role: 'system', content: 's' }, answer('a')], "message 2 is the system's"],
    ['CHAT_ORDER', [user('q'), answer('a'), user('r')], 'it ends with a turn of the user'],
  ])('%s: %#', (code, messages, text) => {
    expect(faults({ messages })).toEqual([expect.stringContaining(text)]);
    expect(faults({ messages })[0]).toMatch(new RegExp(`^${code} d\\.jsonl:1 `));
  });

  test('a nearest word is offered', () => {
    const fixes = read([
      { messages: [{ role: 'usr', content: 'q' }] },
      { messages: [user('q'), answer('a', { wieght: 0 })] },
    ]).problems.map(({ fix }) => fix);
    expect(fixes[0]).toMatch(/^did you mean 'user'\?/);
    expect(fixes[1]).toMatch(/^did you mean 'weight'\?/);
  });
});
