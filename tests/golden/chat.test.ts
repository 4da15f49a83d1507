/** Chat templates, tokens and masks against Transformers, for templates in the styles of several models. */
import { describe, expect, test } from 'vitest';
import { IGNORED } from '../../src/data/batch.ts';
import { type ChatTemplate, encodeConversation, openTemplate, readConversations } from '../../src/data/chat/index.ts';
import { row } from '../../src/data/row.ts';
import { openTokenizer } from '../../src/data/tokenizer.ts';
import { readGolden } from './fixtures.ts';

interface Case {
  readonly conversation: string;
  readonly text: string;
  readonly prompt: string;
  readonly input_ids: readonly number[];
  readonly mask: readonly number[];
}
interface Style {
  readonly name: string;
  readonly tokenizer: string;
  readonly special_tokens: Readonly<Record<string, string>>;
  readonly template: string;
  readonly unmarked: string;
  readonly refused: readonly string[];
  readonly cases: readonly Case[];
}
const golden: { now: string; conversations: Record<string, object>; templates: Style[] } =
  readGolden('chat/templates.json');

const now = new Date(golden.now);
const conversationOf = (name: string) => {
  const values = golden.conversations[name] as Record<string, unknown>;
  return readConversations([row(values, 'd.jsonl', 1)], { format: 'auto' }).conversations[0]!;
};
const tokenizerOf = ({ tokenizer, special_tokens }: Style) =>
  openTokenizer(readGolden(`chat/${tokenizer}.json`), special_tokens, tokenizer);
const templateOf = (style: Style, text: string): ChatTemplate =>
  openTemplate({ text, where: style.name, specialTokens: style.special_tokens }, now);
const cases = golden.templates.flatMap((style) =>
  style.cases.map((one) => ({ style, one, name: style.name, title: one.conversation })),
);

const encoded = (style: Style, template: ChatTemplate, name: string) =>
  encodeConversation(conversationOf(name), { template, tokenizer: tokenizerOf(style) });
const learned = (labels: readonly number[]) => labels.map((label) => (label === IGNORED ? 0 : 1));

describe.each(cases)('$name, $title', ({ style, one }) => {
  test('text, prompt and ids are those of Transformers', () => {
    const { messages, tools } = conversationOf(one.conversation);
    for (const text of [style.template, style.unmarked]) {
      const template = templateOf(style, text);
      expect(template.render({ messages, tools }).text).toBe(one.text);
      const asked = messages.slice(0, messages.findLastIndex(({ role }) => role !== 'assistant') + 1);
      const told = { addGenerationPrompt: true, enableThinking: one.conversation === 'thought' };
      expect(template.render({ messages: asked, tools, ...told }).text).toBe(one.prompt);
    }
    expect(tokenizerOf(style).ids(one.text)).toEqual(one.input_ids);
  });

  test('the mask of {% generation %} is that of Transformers, and labels are the tokens themselves', () => {
    const found = encoded(style, templateOf(style, style.template), one.conversation);
    if ('fault' in found) throw new Error(found.fault.problem);
    expect(learned(found.row.labels)).toEqual(one.mask);
    expect(one.mask).toContain(1);
    const known = found.row.labels.every((label, at) => label === IGNORED || label === one.input_ids[at]);
    expect(known).toBe(true);
  });

  test('the template without marks gives the same mask, or says which turn it cannot tell apart', () => {
    const found = encoded(style, templateOf(style, style.unmarked), one.conversation);
    // Thoughts are only shown after the last question: written alone, an earlier answer has an empty one.
    if (style.name === 'qwen' && one.conversation === 'turns') {
      const fault = { code: 'CHAT_MASK', problem: expect.stringContaining('message 2 cannot be told apart') };
      expect(found).toEqual({ fault: { ...fault, fix: expect.stringContaining('the weight 0') } });
    } else if ('fault' in found) throw new Error(found.fault.problem);
    else expect(learned(found.row.labels)).toEqual(one.mask);
  });
});

test("what a template refuses is a fault of the row, in the template's own words", () => {
  const style = golden.templates.find(({ name }) => name === 'gemma')!;
  for (const name of style.refused) {
    const found = encoded(style, templateOf(style, style.template), name);
    expect(found).toMatchObject({ fault: { code: 'CHAT_TEMPLATE' } });
  }
  expect(encoded(style, templateOf(style, style.template), 'system')).toMatchObject({
    fault: { problem: expect.stringContaining('System role not supported') },
  });
});
