import { expect, test } from 'vitest';
import { readGolden } from '../../../tests/golden/fixtures.ts';
import { row } from '../row.ts';
import { openTokenizer } from '../tokenizer.ts';
import { readConversations } from './conversations.ts';
import { encodeConversation } from './encode.ts';
import { openTemplate } from './template.ts';

const specialTokens = { eos_token: '<|im_end|>' };
const tokenizer = openTokenizer(readGolden('chat/bytelevel.json'), specialTokens, 'tokenizer.json');
const user = (content: string) => ({ role: 'user', content });
const answer = (content: string, more: object = {}) => ({ role: 'assistant', content, ...more });

function faultOf(text: string, values: object | readonly object[]): string {
  const fields = Array.isArray(values) ? { messages: values } : values;
  const rows = [row(fields as Record<string, unknown>, 'd', 1)];
  const [conversation] = readConversations(rows, { format: 'auto' }).conversations;
  const template = openTemplate({ text, where: 'template', specialTokens }, new Date());
  const found = encodeConversation(conversation!, { template, tokenizer });
  return 'fault' in found ? `${found.fault.code} ${found.fault.problem}` : 'none';
}

/** Writes a turn for each message. */
const each = (words: string) =>
  `{% for m in messages %}${words}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}`;

test('a template that drops a call, or a part of it, though its name stands elsewhere', () => {
  const tools = [{ name: 'weather', parameters: {} }];
  const called = { name: 'weather', arguments: { city: 'Oslo' } };
  const call = answer('', { tool_calls: [{ function: called }] });
  const values = { messages: [user('Is the weather cold in Oslo?'), call], tools };
  const dropped = /^CHAT_TEMPLATE the chat template does not write the call of weather in message 2$/;
  const writing = (words: string, offer = '{{ tools | tojson if tools }}') =>
    `${offer}${each(`{{ m.role + ': ' + m.content }}${words}{{ eos_token }}`)}`;
  const eachCall = (words: string) => `{% for c in m.tool_calls or [] %}${words}{% endfor %}`;
  expect(faultOf(writing(''), values)).toMatch(dropped);
  expect(faultOf(writing(eachCall('{{ c.function.name }}')), values)).toMatch(dropped);
  expect(faultOf(writing(eachCall('{{ c.function.arguments | tojson }}')), values)).toMatch(dropped);
  const whole = eachCall('<f={{ c.function.name }}>{{ c.function.arguments | tojson }}');
  expect(faultOf(writing(whole), values)).toBe('none');
  const inWords = eachCall('({{ c.function.name }} in {{ c.function.arguments.city }}');
  expect(faultOf(writing(inWords), values)).toBe('none');
  expect(faultOf(writing(whole, ''), values)).toMatch(/does not write the tools \(weather\)/);
  const two = {
    ...values,
    messages: [
      values.messages[0],
      { ...call, tool_calls: [{ function: called }, { function: { name: 'weather', arguments: { city: 'Rome' } } }] },
    ],
  };
  const first = '{% for c in m.tool_calls or [] %}{% if loop.first %}{{ c.function | tojson }}{% endif %}{% endfor %}';
  expect(faultOf(writing(first), two)).toMatch(dropped);
});
