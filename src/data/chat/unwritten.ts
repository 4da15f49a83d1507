/**
 * What a chat template leaves out in silence: then a model would learn, or be asked, something else than the data says.
 * What stands in the text as the row has it is written. Else the row is rendered with something else in its place, since
 * templates trim, escape and cut: only what changes nothing is left out.
 */
import { listed } from '../problems.ts';
import type { Fault } from '../row.ts';
import { type Conversation, isTrained, turn } from './conversation.ts';
import type { Message } from './message.ts';
import type { Rendered, Span } from './template.ts';
import type { Tool, ToolCall } from './toolCalls.ts';

type Spoken = Pick<Conversation, 'messages' | 'tools'>;

export interface Writing {
  readonly written: Rendered;
  /** Where turns stand in it, by their number, as far as that is proved. */
  readonly spans?: ReadonlyMap<number, Span>;
  /** Writes the conversation with a change; throws what the template throws. */
  again(changed: Spoken): Rendered;
}

/** That templates drop the thoughts of earlier turns is meant; one that passes over every thought has no place for them. */
export function unwritten(spoken: Spoken, writing: Writing): Fault | undefined {
  const missing = spoken.tools.filter((tool) => !writesTool(tool, spoken, writing));
  if (missing.length > 0) {
    const names = listed(missing.map((tool) => tool.function.name));
    return fault(`the chat template does not write the tools (${names})`, 'the tools');
  }
  for (const index of spoken.messages.keys()) {
    const lost = unwrittenTurn(index, spoken, writing);
    if (lost) return lost;
  }
  const { text } = writing.written;
  const thoughts = spoken.messages.flatMap(({ reasoning_content: thought }) => thought?.trim() || []);
  if (thoughts.length === 0 || thoughts.some((thought) => text.includes(thought))) return undefined;
  return fault('the chat template does not write what is thought (reasoning_content)', 'reasoning_content');
}

function unwrittenTurn(index: number, spoken: Spoken, writing: Writing): Fault | undefined {
  const message = spoken.messages[index]!;
  const calls = message.tool_calls ?? [];
  for (const [at, call] of calls.entries()) {
    if (writesCall(call, { index, at }, spoken, writing)) continue;
    return fault(`the chat template does not write the call of ${call.function.name} in ${turn(index)}`, 'the call');
  }
  // Words beside an earlier call are passed over by templates that write either.
  if (calls.length > 0 && !isTrained(message)) return undefined;
  if (writesContent(index, spoken, writing)) return undefined;
  const beside = calls.length > 0 ? ' beside its call' : '';
  return fault(`the chat template does not write what ${turn(index)} (${message.role}) says${beside}`, 'it');
}

/** Shorter texts stand by chance in what the template writes itself. */
const TELLING = 20;

function writesContent(index: number, spoken: Spoken, writing: Writing): boolean {
  const content = spoken.messages[index]!.content.trim();
  if (content === '') return true;
  if (content.length >= TELLING && writing.written.text.slice(...(writing.spans?.get(index) ?? [])).includes(content))
    return true;
  const other = content === 'something else' ? 'another text' : 'something else';
  return depends(index, { content: other }, spoken, writing);
}

interface CallPlace {
  readonly index: number;
  /** Number of the call in its turn. */
  readonly at: number;
}

/** Its name and arguments both: a template may ask a call for fields that it has not. */
function writesCall(call: ToolCall, { index, at }: CallPlace, spoken: Spoken, writing: Writing): boolean {
  const { name, arguments: values } = call.function;
  const span = writing.spans?.get(index);
  if (span && isPlain(call, writing.written.text.slice(...span))) return true;
  const calls = spoken.messages[index]!.tool_calls!;
  const isWritten = (changed: ToolCall['function']): boolean =>
    depends(index, { tool_calls: calls.with(at, { ...call, function: changed }) }, spoken, writing);
  const needsValues = Object.keys(values).length > 0;
  return isWritten({ name: `${name}_`, arguments: values }) && (!needsValues || isWritten({ name, arguments: {} }));
}

/** The arguments stand there as JSON, and the name near them. */
function isPlain({ function: { name, arguments: values } }: ToolCall, part: string): boolean {
  const json = JSON.stringify(values).replace(/\s/g, '');
  if (json === '{}') return false;
  const squeezed = part.replace(/\s/g, '');
  const at = squeezed.indexOf(json);
  const near = name.length + 40;
  return at >= 0 && squeezed.slice(Math.max(0, at - near), at + json.length + near).includes(name);
}

/** Its name stands in the text more often than in the turns. */
function writesTool(tool: Tool, spoken: Spoken, writing: Writing): boolean {
  const { name } = tool.function;
  const count = (text: string): number => text.split(name).length - 1;
  const said = spoken.messages.flatMap(({ content, tool_calls: calls = [] }) => [content, JSON.stringify(calls)]);
  if (count(writing.written.text) > said.reduce((sum, text) => sum + count(text), 0)) return true;
  const tools = spoken.tools.map((one) => (one === tool ? withName(one, `${name}_`) : one));
  return differs(writing, { ...spoken, tools }, ({ text }) => text);
}

const withName = (tool: Tool, name: string): Tool => ({ ...tool, function: { ...tool.function, name } });

/** Whether a turn is written otherwise when it is changed. */
function depends(index: number, change: Partial<Message>, spoken: Spoken, writing: Writing): boolean {
  const messages = spoken.messages.with(index, { ...spoken.messages[index]!, ...change });
  return differs(writing, { ...spoken, messages }, (rendered) => partOf(rendered, spoken, index));
}

function differs({ written, again }: Writing, changed: Spoken, part: (rendered: Rendered) => string): boolean {
  try {
    return part(again(changed)) !== part(written);
  } catch {
    // It looked at what it does not want.
    return true;
  }
}

/** Where the template marks answers, that of the turn; else all of the text. */
function partOf({ text, answers }: Rendered, { messages }: Spoken, index: number): string {
  const turns = [...messages.keys()].filter((at) => messages[at]!.role === 'assistant');
  const span = answers?.length === turns.length ? answers[turns.indexOf(index)] : undefined;
  return span ? text.slice(...span) : text;
}

const fault = (problem: string, what: string): Fault => {
  const fix = `give a template that does with data.chat_template, or leave ${what} out`;
  return { code: 'CHAT_TEMPLATE', problem, fix };
};
