/** `{conversations: [{from, value}], system?, tools?}` of ShareGPT, FastChat and LLaMA-Factory. */
import { excerpt } from '../../problems.ts';
import { failed, type Read, roleOf, unknownRole } from '../message.ts';
import { type ChatFormat, isAbsent } from './format.ts';
import { listOf } from './listOf.ts';

export const sharegpt: ChatFormat = {
  needs: { messages: 'conversations' },
  may: { system: 'system', tools: 'tools' },
  read(_, cell) {
    const list = listOf(cell('messages'));
    if (list === undefined) return failed('CHAT_MESSAGES', 'the conversations are no list', 'write a list of turns');
    if (list.length === 0) return failed('CHAT_MESSAGES', 'the list of turns is empty', 'remove the row');
    const turns = list.map((one, index) => turnOf(one, `message ${index + 1}`));
    const faults = turns.flatMap((one) => ('faults' in one ? one.faults : []));
    if (faults.length > 0) return { faults };
    const system = isAbsent(cell('system')) ? [] : [{ role: 'system', content: cell('system') }];
    const messages = [...system, ...turns.flatMap((one) => ('value' in one ? [one.value] : []))];
    return { value: { messages, tools: cell('tools') } };
  },
};

const turnKeys = ['from', 'value', 'weight'];

function turnOf(given: unknown, at: string): Read<object> {
  const { from, value, weight, ...others } = Object(given) as Record<string, unknown>;
  // Rows of both worlds: a list of messages under the other name.
  if (from === undefined && Object.hasOwn(Object(given), 'role')) return { value: given as object };
  const foreign = Object.keys(others)[0];
  if (foreign !== undefined) {
    return failed('CHAT_KEY_UNKNOWN', `${at} has a key '${excerpt(foreign)}'`, `the keys are ${turnKeys.join(', ')}`);
  }
  if (from === undefined)
    return failed('CHAT_KEY_MISSING', `${at} has no 'from'`, 'write {"from": "human", "value": "…"}');
  const weighted = weight === undefined ? {} : { weight };
  if (from === 'function_call') return calling(value, at, weighted);
  const role = roleOf(from);
  return role === undefined ? { faults: [unknownRole(from, at)] } : { value: { role, content: value, ...weighted } };
}

/** A turn of its own that calls one tool, or a list of them: `{"name": …, "arguments": …}` as JSON text. */
function calling(value: unknown, at: string, weight: object): Read<object> {
  try {
    const parsed: unknown = typeof value === 'string' ? JSON.parse(value) : value;
    return { value: { role: 'assistant', tool_calls: Array.isArray(parsed) ? parsed : [parsed], ...weight } };
  } catch {
    const fix = 'write {"name": "…", "arguments": {…}}';
    return failed('CHAT_TOOLS', `the call in ${at} is not JSON: ${excerpt(String(value))}`, fix);
  }
}
