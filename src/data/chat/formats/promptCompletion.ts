/** `{prompt, completion}`, each a text or a list of messages. Of the lists only the completion is learned from. */
import { excerpt } from '../../problems.ts';
import { failed, type Read, roleOf } from '../message.ts';
import { type ChatFormat, isAbsent, type Raw } from './format.ts';
import { listOf } from './listOf.ts';

export const promptCompletion: ChatFormat = {
  needs: { prompt: 'prompt', completion: 'completion' },
  may: { system: 'system', tools: 'tools' },
  answer: 'completion',
  read(_, cell) {
    const prompt = turnsOf(cell('prompt'), 'prompt', 'user');
    const answer = cell('completion');
    const completion = answer === undefined ? { value: [] } : turnsOf(answer, 'completion', 'assistant');
    const faults = [prompt, completion].flatMap((one) => ('faults' in one ? one.faults : []));
    if ('faults' in prompt || 'faults' in completion) return { faults };
    const system = isAbsent(cell('system')) ? [] : [{ role: 'system', content: cell('system') }];
    const read = prompt.value.map(onlyRead);
    return { value: { messages: [...system, ...read, ...completion.value], tools: cell('tools') } };
  },
};

function turnsOf(value: unknown, use: string, role: string): Read<Raw['messages']> {
  const list = listOf(value);
  if (list && (Array.isArray(value) || list.some(isMessage))) return { value: list };
  if (typeof value === 'string') return { value: [{ role, content: value }] };
  const found = excerpt(JSON.stringify(value) ?? 'nothing');
  return failed('CHAT_CONTENT', `the ${use} is neither a text nor a list of messages: ${found}`, 'give a text');
}

/** A text may be JSON that is asked for: it is taken as a conversation only where something in it is a message. */
const isMessage = (item: unknown): boolean => {
  const { role, content, tool_calls: calls, function_call: call } = Object(item) as Record<string, unknown>;
  return typeof role === 'string' && (content ?? calls ?? call) !== undefined;
};

const onlyRead = (message: unknown): unknown => {
  const { role } = Object(message) as { role?: unknown };
  return roleOf(role) === 'assistant' ? { ...(message as object), weight: 0 } : message;
};
