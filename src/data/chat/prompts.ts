/** Rows to what a model is asked. */
import type { Problems } from '../problems.ts';
import type { Row } from '../row.ts';
import { type Conversation, promptFault } from './conversation.ts';
import { formats, readRows, type Use } from './conversations.ts';
import type { ChatColumns, ChatFormat } from './formats/format.ts';
import { question } from './formats/question.ts';
import { roleOf } from './message.ts';

/** Every format without its answer, which is the model's to give. */
const asking: Use = {
  formats: Object.fromEntries(Object.entries(formats).map(([name, format]) => [name, withoutAnswer(format)])),
  part: asked,
  faultOf: promptFault,
  choose: (first) => `keep the columns of one of them, such as ${first}`,
};

function withoutAnswer({ answer, ...format }: ChatFormat): ChatFormat {
  if (!answer) return format;
  const { [answer]: name, ...needs } = format.needs;
  return { ...format, needs, may: { ...format.may, [answer]: name } };
}

/** An answer at the end is taken off. */
function asked(messages: readonly unknown[]): readonly unknown[] {
  const isAnswer = (message: unknown): boolean => roleOf((Object(message) as { role?: unknown }).role) === 'assistant';
  return messages.slice(0, messages.findLastIndex((message) => !isAnswer(message)) + 1);
}

export interface CheckedPrompts extends Problems {
  readonly conversations: readonly Conversation[];
}

/** One conversation as a program gives it: it ends where an answer is to begin. */
export function checkPrompt(
  values: { readonly messages: unknown; readonly tools: unknown },
  where: string,
): CheckedPrompts {
  const whole = { ...asking, part: (messages: readonly unknown[]) => messages };
  return readRows([{ values, line: 1, where }], { format: 'messages', columns: undefined }, whole);
}

/** The conversations that are to be answered. A text by itself is what a user says. */
export function readPrompts(rows: readonly Row[], columns: ChatColumns | undefined): CheckedPrompts {
  const wishes = { format: 'auto', columns };
  const found = readRows(rows, wishes, asking);
  if (found.format !== undefined || rows.length === 0) return found;
  return readRows(rows, wishes, { ...asking, formats: { ...asking.formats, text: question } });
}
