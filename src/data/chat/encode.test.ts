import { describe, expect, test } from 'vitest';
import { readGolden } from '../../../tests/golden/fixtures.ts';
import { IGNORED } from '../batch.ts';
import { row } from '../row.ts';
import type { TokenRow } from '../text/tokenRow.ts';
import { openTokenizer } from '../tokenizer.ts';
import { readConversations } from './conversations.ts';
import { encodeConversation } from './encode.ts';
import { chatml, plain } from './ownTemplates.ts';
import { openTemplate } from './template.ts';

const specialTokens = { eos_token: '<|im_end|>', bos_token: '<bos>' };
const tokenizer = openTokenizer(readGolden('chat/bytelevel.json'), specialTokens, 'tokenizer.json');
const now = new Date('2026-02-03T14:05:06');
const user = (content: string) => ({ role: 'user', content });
const answer = (content: string, more: object = {}) => ({ role: 'assistant', content, ...more });

function encode(text: string, values: object | readonly object[]) {
  const fields = Array.isArray(values) ? { messages: values } : values;
  const [conversation] = readConversations([row(fields as Record<string, unknown>, 'd', 1)], {
    format: 'auto',
  }).conversations;
  return encodeConversation(conversation!, {
    template: openTemplate({ text, where: 'template', specialTokens }, now),
    tokenizer,
  });
}
function rowOf(text: string, values: object | readonly object[]): TokenRow {
  const found = encode(text, values);
  if ('fault' in found) throw new Error(found.fault.problem);
  return found.row;
}
/** What is learned, a line for each turn. */
const learned = ({ inputIds, labels }: TokenRow): string => {
  const ids = labels.map((label, at) => (label === IGNORED ? tokenizer.ids('\n')[0]! : inputIds[at]!));
  return tokenizer
    .decode(ids)
    .replace(/\n{2,}/g, '\n')
    .trim();
};

describe('the templates for models without one', () => {
  const turns = [{ role: 'system', content: 'be brief' }, user('Hi'), answer('Hello'), user('Bye'), answer('Good bye')];

  test('ChatML', () => {
    expect(tokenizer.decode(rowOf(chatml, turns).inputIds)).toBe(
      '<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>\n' +
        '<|im_start|>user\nBye<|im_end|>\n<|im_start|>assistant\nGood bye<|im_end|>\n',
    );
    expect(learned(rowOf(chatml, turns))).toBe('Hello<|im_end|>\nGood bye<|im_end|>');
  });

  test('plain words, with one beginning and an end of a text after each answer', () => {
    expect(tokenizer.decode(rowOf(plain, turns).inputIds)).toBe(
      '<bos>### System:\nbe brief\n\n### User:\nHi\n\n### Assistant:\nHello<|im_end|>\n\n' +
        '### User:\nBye\n\n### Assistant:\nGood bye<|im_end|>\n\n',
    );
    expect(learned(rowOf(plain, turns))).toBe('Hello<|im_end|>\nGood bye<|im_end|>');
  });

  test.each([chatml, plain])('tools, calls and results', (text) => {
    const tools = [{ name: 'weather', parameters: {} }];
    const call = answer('', { tool_calls: [{ function: { name: 'weather', arguments: { city: 'Oslo' } } }] });
    const values = { messages: [user('Oslo?'), call, { role: 'tool', content: '7' }, answer('7 degrees')], tools };
    const found = rowOf(text, values);
    expect(tokenizer.decode(found.inputIds)).toContain(
      '<tools>\n{"type": "function", "function": {"name": "weather", "parameters": {}}}\n</tools>',
    );
    expect(learned(found)).toBe(
      '<tool_call>\n{"name": "weather", "arguments": {"city": "Oslo"}}\n</tool_call><|im_end|>\n7 degrees<|im_end|>',
    );
  });
});

describe('what is learned', () => {
  test('a turn of weight 0 is only read, with marks and without', () => {
    const turns = [user('a'), answer('b', { weight: 0 }), user('c'), answer('d')];
    const unmarked = chatml.replace(/\{%-? (?:end)?generation -?%\}/g, '');
    expect(unmarked).not.toContain('generation %');
    for (const text of [chatml, unmarked]) expect(learned(rowOf(text, turns))).toBe('d<|im_end|>');
  });

  test('characters of the private use area are text as others are', () => {
    const odd = 'I like \uf000 and \uf001, \uf0000\uf001 and \uf0000\uf002 of wine';
    const row = rowOf(chatml, [user('\uf0001\uf001?'), answer(odd)]);
    expect(learned(row)).toBe(`${odd}<|im_end|>`);
    expect(tokenizer.decode(row.inputIds)).toContain('user\n\uf0001\uf001?<|im_end|>');
  });

  test('space that a template writes behind the end of an answer is not learned', () => {
    const text =
      "{% for m in messages %}{{ m.role + ':' }}{% generation %}{{ m.content + eos_token + '\n' }}{% endgeneration %}{% endfor %}";
    const marking = text.replace('{% generation %}', "{% if m.role == 'assistant' %}{% generation %}");
    const whole = marking.replace('{% endgeneration %}', '{% endgeneration %}{% else %}{{ m.content }}{% endif %}');
    expect(learned(rowOf(whole, [user('a'), answer('b')]))).toBe('b<|im_end|>');
  });
});

describe('what is refused', () => {
  const faultOf = (text: string, values: object | readonly object[]) => {
    const found = encode(text, values);
    return 'fault' in found ? `${found.fault.code} ${found.fault.problem}` : 'none';
  };
  const each = (words: string) =>
    `{% for m in messages %}${words}{% endfor %}{% if add_generation_prompt %}assistant: {% endif %}`;

  test('a template that never ends an answer', () => {
    const text = each("{{ m.role + ': ' + m.content + '\n' }}");
    expect(faultOf(text, [user('a'), answer('b')])).toMatch(
      /^CHAT_TEMPLATE_END message 2 ends without a special token/,
    );
    const marked = chatml.replace(
      "{{- '<|im_end|>' }}\n        {%- endgeneration %}",
      "{%- endgeneration %}{{- '<|im_end|>' }}",
    );
    expect(marked).not.toBe(chatml);
    expect(faultOf(marked, [user('a'), answer('b')])).toMatch(/^CHAT_TEMPLATE_END message 2 ends without/);
  });

  test('a template that writes an answer otherwise once more follows', () => {
    const text = each(
      "{% if m.role == 'user' %}user: {{ m.content }}\n{% else %}assistant: {{ m.content if loop.last else '(…)' }}{{ eos_token }}{% endif %}",
    );
    expect(faultOf(text, [user('a'), answer('b')])).toBe('none');
    expect(faultOf(text, [user('a'), answer('b'), user('c'), answer('d')])).toMatch(
      /^CHAT_MASK message 2 cannot be told apart/,
    );
  });

  test('the difference is quoted from where it begins, of long rows and of emoji too', () => {
    const text = each(
      "{% if m.role == 'user' %}user: {{ m.content }}\n{% else %}assistant: {{ m.content if loop.last else m.content[:-1] + '🙃' }}{{ eos_token }}{% endif %}",
    );
    const started = performance.now();
    const turns = [user('a'), answer(`${'🙂'.repeat(50)}${'x'.repeat(40_000)}🙂`), user('c'), answer('d')];
    expect(faultOf(text, turns)).toMatch(/otherwise, "🙃.*" in place of "🙂<\|im_end\|>"$/);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test('an answer whose first token takes in what stands before it', () => {
    const text = each(
      "{% if m.role == 'user' %}user: {{ m.content }}\n{% else %}assistant: {{ m.content }}{{ eos_token }}{% endif %}",
    );
    expect(faultOf(text, [user('a'), answer('answer')])).toMatch(
      /^CHAT_MASK no token begins where message 2 does, in "/,
    );
  });

  test('a template that passes over tools, calls or thoughts', () => {
    const text = each("{{ m.role + ': ' + m.content + '<|im_end|>' }}");
    const tools = [{ name: 'weather', parameters: {} }];
    const call = answer('', { tool_calls: [{ function: { name: 'weather', arguments: {} } }] });
    expect(faultOf(text, { messages: [user('a'), answer('b')], tools })).toBe(
      'CHAT_TEMPLATE the chat template does not write the tools (weather)',
    );
    expect(faultOf(text, [user('a'), call])).toBe(
      'CHAT_TEMPLATE the chat template does not write the call of weather in message 2',
    );
    const thinking = [user('a'), answer('b', { reasoning_content: 'so it is' })];
    expect(faultOf(text, thinking)).toMatch(/^CHAT_TEMPLATE .* what is thought \(reasoning_content\)/);
    expect(faultOf(text.replace('m.content', "(m.reasoning_content or '') + m.content"), thinking)).toBe('none');
  });

  test('two beginnings, and a template with a mistake', () => {
    expect(faultOf(`{{ bos_token }}${plain}`, [user('a'), answer('b')])).toMatch(/^CHAT_BOS/);
    expect(() => encode('{% for %}', [user('a'), answer('b')])).toThrow(/the chat template cannot be read/);
    expect(() => encode('{% for m in messages %}x', [user('a'), answer('b')])).toThrow(
      /it ends inside a block or a tag/,
    );
  });
});
