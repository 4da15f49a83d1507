/** What a chat template leaves out in silence: then a model would learn, or be asked, something else than the data says. */
import { listed } from '../problems.ts';
import type { Fault } from '../row.ts';
import { type Conversation, turn } from './conversation.ts';

/** Templates without tools pass over tools, calls and thoughts; that others drop the thoughts of earlier turns is meant. */
export function unwritten(
  { messages, tools }: Pick<Conversation, 'messages' | 'tools'>,
  text: string,
): Fault | undefined {
  const missing = tools.map((tool) => tool.function.name).filter((name) => !text.includes(name));
  if (missing.length > 0) return fault(`the chat template does not write the tools (${listed(missing)})`, 'the tools');
  for (const [index, { tool_calls: calls = [] }] of messages.entries()) {
    const call = calls.find(({ function: { name } }) => !text.includes(name));
    if (call)
      return fault(`the chat template does not write the call of ${call.function.name} in ${turn(index)}`, 'the call');
  }
  const thoughts = messages.flatMap(({ reasoning_content: thought }) => thought?.trim() || []);
  if (thoughts.length === 0 || thoughts.some((thought) => text.includes(thought))) return undefined;
  return fault('the chat template does not write what is thought (reasoning_content)', 'reasoning_content');
}

const fault = (problem: string, what: string): Fault => {
  const fix = `give a template that does with data.chat_template, or leave ${what} out`;
  return { code: 'CHAT_TEMPLATE', problem, fix };
};
