/** One message as a data file has it: its role, what it says, what it calls. */
import { nearest } from '../../errors/index.ts';
import { excerpt } from '../problems.ts';
import type { Fault } from '../row.ts';
import { type ToolCall, toolCallsOf } from './toolCalls.ts';

export type Role = 'system' | 'user' | 'assistant' | 'tool';

/** In the form that chat templates take, which is that of OpenAI's API. */
export interface Message {
  readonly role: Role;
  /** Empty where an assistant only calls tools. */
  readonly content: string;
  readonly name?: string;
  readonly tool_calls?: readonly ToolCall[];
  readonly tool_call_id?: string;
  /** What a model thinks before it answers; templates of such models read it. */
  readonly reasoning_content?: string;
  /** 0: the turn is read, and nothing is learned from it. */
  readonly weight?: 0 | 1;
}

/** What a program may give for one: arguments of calls as objects or as their JSON text, a content that is absent. */
export interface ChatMessage extends Omit<Partial<Message>, 'content' | 'tool_calls' | 'weight'> {
  readonly role: Role;
  readonly content?: string | null;
  readonly tool_calls?: readonly {
    readonly id?: string;
    readonly type?: 'function';
    readonly function: { readonly name: string; readonly arguments?: object | string };
  }[];
}

/** What other programs call the four roles. */
const otherRoles: Readonly<Record<string, Role>> = {
  developer: 'system',
  function: 'tool',
  human: 'user',
  gpt: 'assistant',
  chatgpt: 'assistant',
  model: 'assistant',
  observation: 'tool',
  function_response: 'tool',
};
const roles: readonly string[] = ['system', 'user', 'assistant', 'tool'];

export function roleOf(name: unknown): Role | undefined {
  if (typeof name !== 'string') return undefined;
  if (roles.includes(name)) return name as Role;
  return Object.hasOwn(otherRoles, name) ? otherRoles[name] : undefined;
}

export function unknownRole(name: unknown, at: string): Fault {
  const close = typeof name === 'string' ? nearest(name, [...roles, ...Object.keys(otherRoles)]) : undefined;
  const problem = `${at} has the role ${excerpt(JSON.stringify(name) ?? 'none')}`;
  const fix = `${close === undefined ? '' : `did you mean '${close}'? `}the roles are ${roles.join(', ')}`;
  return { code: 'CHAT_ROLE_UNKNOWN', problem, fix };
}

const keys = ['role', 'content', 'name', 'tool_calls', 'tool_call_id', 'function_call', 'reasoning_content', 'weight'];

export type Read<T> = { readonly value: T } | { readonly faults: readonly Fault[] };

/** `at` names the message in problems: `message 3`. A key without a value counts as absent. */
export function readMessage(given: unknown, at: string): Read<Message> {
  if (typeof given !== 'object' || given === null || Array.isArray(given)) {
    const problem = `${at} is no object: ${excerpt(JSON.stringify(given) ?? 'nothing')}`;
    return failed('CHAT_MESSAGES', problem, 'write each message as {"role": "user", "content": "…"}');
  }
  const fields = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== null));
  const foreign = Object.keys(fields).find((key) => !keys.includes(key));
  if (foreign !== undefined) return unknownKey(foreign, at);
  if (fields.role === undefined)
    return failed('CHAT_KEY_MISSING', `${at} has no role`, `add one of ${roles.join(', ')}`);
  const role = roleOf(fields.role);
  if (role === undefined) return { faults: [unknownRole(fields.role, at)] };
  const calls = toolCallsOf(fields, at);
  if ('faults' in calls) return calls;
  const content = contentOf(fields, { role, at, calls: calls.value.length > 0 });
  const faults = ['faults' in content ? content.faults : [], misplaced(fields, role, at)].flat();
  if ('faults' in content || faults.length > 0) return { faults };
  const { name, tool_call_id, reasoning_content, weight } = fields as Partial<Message>;
  const known = { name, tool_call_id, reasoning_content, weight };
  const present = Object.fromEntries(Object.entries(known).filter(([, value]) => value !== undefined));
  const called = calls.value.length > 0 && { tool_calls: calls.value };
  return { value: { role, content: content.value, ...called, ...present } };
}

interface Around {
  readonly role: Role;
  readonly at: string;
  /** The message calls tools. */
  readonly calls: boolean;
}

/** A text, or a list of parts that are all texts. */
function contentOf({ content }: Readonly<Record<string, unknown>>, { role, at, calls }: Around): Read<string> {
  if (content === undefined && calls) return { value: '' };
  if (content === undefined) return failed('CHAT_KEY_MISSING', `${at} (${role}) has no content`, 'add its content');
  const text = Array.isArray(content) ? joinedParts(content) : content;
  if (typeof text !== 'string') {
    const problem = `the content of ${at} (${role}) is no text: ${excerpt(JSON.stringify(content))}`;
    return failed('CHAT_CONTENT', problem, 'give a text; images and sound are not read');
  }
  // A tool may have nothing to say.
  if (isSeen(text) || calls || role === 'tool') return { value: text };
  return failed('CHAT_CONTENT', `${at} (${role}) is empty`, 'give it a text, or remove the row');
}

/** Marks without a width, such as U+200B, are as little to learn as spaces. */
const isSeen = (text: string): boolean => /[^\s\p{Cc}\p{Cf}]/u.test(text);

const joinedParts = (parts: readonly unknown[]): string | undefined => {
  const texts = parts.map((part) => {
    const { type, text } = Object(part) as { type?: unknown; text?: unknown };
    return typeof part === 'string' ? part : type === 'text' && typeof text === 'string' ? text : undefined;
  });
  return texts.every((text) => text !== undefined) ? texts.join('') : undefined;
};

/** Keys that have another kind of value, or stand in a message of another role. */
function misplaced(fields: Readonly<Record<string, unknown>>, role: Role, at: string): Fault[] {
  const faults: Fault[] = [];
  for (const key of ['name', 'tool_call_id', 'reasoning_content']) {
    if (fields[key] === undefined || typeof fields[key] === 'string') continue;
    faults.push({ code: 'CHAT_MESSAGES', problem: `${key} of ${at} is no text`, fix: 'give a text in quotes' });
  }
  const { weight } = fields;
  if (weight !== undefined && weight !== 0 && weight !== 1) {
    const problem = `the weight of ${at} is ${excerpt(JSON.stringify(weight))}`;
    faults.push({ code: 'CHAT_WEIGHT', problem, fix: 'give 1 to learn from the turn, or 0 to only read it' });
  } else if (weight !== undefined && role !== 'assistant') {
    const problem = `${at} (${role}) has a weight`;
    faults.push({ code: 'CHAT_WEIGHT', problem, fix: 'remove it: only turns of the assistant are learned from' });
  }
  return faults;
}

function unknownKey(key: string, at: string): { readonly faults: readonly Fault[] } {
  const close = nearest(key, keys);
  const fix = `${close === undefined ? '' : `did you mean '${close}'? `}the keys are ${keys.join(', ')}`;
  return failed('CHAT_KEY_UNKNOWN', `${at} has a key '${excerpt(key)}'`, fix);
}

export const failed = (code: Fault['code'], problem: string, fix: string) => ({ faults: [{ code, problem, fix }] });
