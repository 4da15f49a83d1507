import { expect, test } from 'vitest';
import { readGolden } from '../../../tests/golden/fixtures.ts';
import { row } from '../row.ts';
import { openTokenizer } from '../tokenizer.ts';
import { readConversations } from './conversations.ts';
import { encodeConversation } from './encode.ts';
import { chatml } from './ownTemplates.ts';
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

test('a template that leaves out what a turn says', () => {
  const turns = [{ role: 'system', content: 'be brief' }, user('a'), answer('b'), user('c'), answer('a')];
  const saying = (words: string) =>
    `{% for m in messages %}{{ m.role + ':\n' }}{{ ${words} }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:\n' }}{% endif %}`;
  expect(faultOf(saying('m.content'), turns)).toBe('none');
  expect(faultOf(saying('m.contnt'), turns)).toMatch(/^CHAT_TEMPLATE .* not write what message 1 \(system\) says$/);
  expect(faultOf(saying("m.content if m.role != 'system'"), turns)).toMatch(/message 1 \(system\)/);
  expect(faultOf(saying("m.content if m.role != 'user'"), turns)).toMatch(/message 2 \(user\)/);
  const long = 'It is written twice, and once it is not.';
  const twice = [user(long), answer(long)];
  const marked = chatml.replace('{{- message.content }}', '');
  expect(marked).not.toBe(chatml);
  expect(faultOf(marked, twice)).toMatch(/not write what message 2 \(assistant\) says$/);
  const thoughtful = [user('a'), answer(`<think>${long}</think>\n\nb`), user('c'), answer('d')];
  const cutting = saying("(m.content.split('</think>') | last | trim | upper) if m.role == 'assistant' else m.content");
  expect(faultOf(cutting, thoughtful)).toBe('none');
});

test('words beside a call have to be written where they are learned', () => {
  const called = { tool_calls: [{ function: { name: 'weather', arguments: { city: 'Oslo' } } }] };
  const result = { role: 'tool', content: '7' };
  const text = each(
    "{{ m.role + ': ' }}{% if m.tool_calls %}{{ m.tool_calls[0].function | tojson }}{% else %}{{ m.content }}{% endif %}{{ eos_token }}",
  );
  const turns = (more: object) => [user('a'), answer('I look.', { ...called, ...more }), result, answer('It is 7.')];
  expect(faultOf(text, turns({}))).toMatch(/not write what message 2 \(assistant\) says beside its call$/);
  expect(faultOf(text, turns({ weight: 0 }))).toBe('none');
});
