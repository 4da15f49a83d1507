/** Calls of tools and their declarations, in the form of OpenAI's API: arguments as an object, as templates want them. */
import { excerpt } from '../problems.ts';
import type { Fault } from '../row.ts';

export interface ToolCall {
  readonly id?: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: Readonly<Record<string, unknown>> };
}

export interface Tool {
  readonly type: 'function';
  readonly function: { readonly name: string; readonly [field: string]: unknown };
}

type Read<T> = { readonly value: T } | { readonly faults: readonly Fault[] };
type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** What a message calls; `function_call` is the older name for a single call. */
export function toolCallsOf(fields: Fields, at: string): Read<readonly ToolCall[]> {
  const { tool_calls: calls, function_call: single, role } = fields;
  const given = calls ?? (single === undefined ? [] : [{ function: single }]);
  if (!Array.isArray(given)) return faulty(`tool_calls of ${at} is no list`, 'write a list of calls');
  if (given.length > 0 && role !== 'assistant')
    return faulty(`${at} is no assistant's, yet it calls tools`, 'remove them');
  const read = given.map((call) => readCall(call, at));
  const faults = read.flatMap((one) => ('faults' in one ? one.faults : []));
  return faults.length > 0 ? { faults } : { value: read.flatMap((one) => ('value' in one ? [one.value] : [])) };
}

/** `{id, type, function: {name, arguments}}`, or the function alone. Arguments are an object, or its JSON text. */
function readCall(given: unknown, at: string): Read<ToolCall> {
  const called = isObject(given) && isObject(given.function) ? given.function : given;
  if (!isObject(called) || typeof called.name !== 'string' || called.name === '') {
    const problem = `a tool call of ${at} has no function name: ${excerpt(JSON.stringify(given))}`;
    return faulty(problem, 'write {"type": "function", "function": {"name": "…", "arguments": {}}}');
  }
  const values = argumentsOf(called.arguments);
  if (values === undefined) {
    const problem = `the arguments of ${called.name} in ${at} are no JSON object: ${excerpt(shown(called.arguments))}`;
    return faulty(problem, 'write the arguments as an object, or as its JSON text');
  }
  const id = isObject(given) && typeof given.id === 'string' ? { id: given.id } : {};
  return { value: { ...id, type: 'function', function: { name: called.name, arguments: values } } };
}

const shown = (value: unknown): string => (typeof value === 'string' ? value : (JSON.stringify(value) ?? 'nothing'));

/** Undefined where they are no object. */
function argumentsOf(given: unknown): Fields | undefined {
  const value = given === undefined || given === '' ? {} : typeof given === 'string' ? parsed(given) : given;
  return isObject(value) ? value : undefined;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** The tools that a row offers: a list, or its JSON text; a declaration, or the function alone. */
export function toolsOf(given: unknown): Read<readonly Tool[]> {
  if (given === undefined || given === null || given === '') return { value: [] };
  const list = typeof given === 'string' ? parsed(given) : given;
  if (!Array.isArray(list))
    return faulty(`the tools are no list: ${excerpt(shown(given))}`, 'write a list of functions');
  const tools = list.map((one) => (isObject(one) && isObject(one.function) ? one.function : one));
  const bad = tools.find((one) => !isObject(one) || typeof one.name !== 'string');
  if (bad !== undefined) {
    const problem = `a tool has no name: ${excerpt(JSON.stringify(bad))}`;
    return faulty(problem, 'write {"type": "function", "function": {"name": "…", "parameters": {}}}');
  }
  return { value: (tools as Tool['function'][]).map((one) => ({ type: 'function', function: one })) };
}

const faulty = (problem: string, fix: string) => ({ faults: [{ code: 'CHAT_TOOLS' as const, problem, fix }] });
