/** What every chat format is read into, and the order in which turns may follow each other. */
import { nearest } from '../../errors/index.ts';
import { listed } from '../problems.ts';
import type { Fault } from '../row.ts';
import type { Message, Role } from './message.ts';
import type { Tool } from './toolCalls.ts';

export interface Conversation {
  readonly messages: readonly Message[];
  readonly tools: readonly Tool[];
  /** `path:line` */
  readonly where: string;
}

/** Whether a turn is learned from. */
export const isTrained = ({ role, weight }: Message): boolean => role === 'assistant' && weight !== 0;

/** What is wrong with the order of the turns: the first fault, since others would follow from it. */
export function orderFault(conversation: Omit<Conversation, 'where'>): Fault | undefined {
  const { messages } = conversation;
  const fault = turnFault(conversation);
  if (fault) return fault;
  if (!messages.some(({ role }) => role === 'assistant')) {
    const problem = "no turn is the assistant's";
    return { code: 'CHAT_NO_ASSISTANT', problem, fix: 'add the answer that is to be learned, or remove the row' };
  }
  if (!messages.some(isTrained)) {
    const problem = 'every turn of the assistant has the weight 0';
    return { code: 'CHAT_NO_ASSISTANT', problem, fix: 'leave one of them its weight, or remove the row' };
  }
  if (messages.at(-1)!.role === 'assistant') return undefined;
  const problem = `it ends with a turn of the ${messages.at(-1)!.role}, which nobody answers`;
  return { code: 'CHAT_ORDER', problem, fix: 'add the answer, or remove the last turn' };
}

/** The same of a conversation that is to be answered. */
export function promptFault(conversation: Omit<Conversation, 'where'>): Fault | undefined {
  const { messages } = conversation;
  const fault = turnFault(conversation);
  const last = messages.at(-1);
  if (fault || last?.role === 'user' || last?.role === 'tool') return fault ?? openCall(messages);
  const problem = last ? `it ends with a turn of the ${last.role}, which asks nothing` : 'no turn asks anything';
  return { code: 'CHAT_ORDER', problem, fix: 'let it end with a turn of the user' };
}

function turnFault({ messages, tools }: Omit<Conversation, 'where'>): Fault | undefined {
  for (const [index, message] of messages.entries()) {
    const fault = misplaced(messages, index) ?? unofferedCall(message, tools, index);
    if (fault) return fault;
  }
  return undefined;
}

/** Of several calls some results are there, and some are not. */
function openCall(messages: readonly Message[]): Fault | undefined {
  const caller = callerOf(messages, messages.length);
  return caller && missingResult(messages.length, caller);
}

/** The roles that may stand before a turn; undefined stands for the beginning. */
const mayFollow: Readonly<Record<Role, readonly (Role | undefined)[]>> = {
  system: [undefined],
  user: [undefined, 'system', 'assistant'],
  assistant: ['user', 'tool'],
  tool: ['assistant', 'tool'],
};

function misplaced(messages: readonly Message[], index: number): Fault | undefined {
  const message = messages[index]!;
  const before = messages[index - 1];
  const at = turn(index);
  const caller = callerOf(messages, index);
  // Said first: a result that is missing, or that nobody asked for, is why the turns are out of order.
  const unmatched =
    message.role === 'tool' ? unaskedResult(message, caller, at) : caller && missingResult(index, caller);
  if (unmatched) return unmatched;
  if (!mayFollow[message.role].includes(before?.role)) {
    const problem = `${at} is the ${message.role}'s, after ${before ? `one of the ${before.role}` : 'nothing'}`;
    const fix =
      message.role === 'system' ? 'put the system message first' : 'let user and assistant take turns, the user first';
    return { code: 'CHAT_ORDER', problem, fix };
  }
  return undefined;
}

interface Caller {
  readonly message: Message;
  /** Results that stand between the call and the turn. */
  readonly results: readonly Message[];
}

/** The assistant's turn that stands before a turn, but for the results of tools between them. */
function callerOf(messages: readonly Message[], index: number): Caller | undefined {
  const start = messages.slice(0, index).findLastIndex(({ role }) => role !== 'tool');
  const message = messages[start];
  return message?.role === 'assistant' ? { message, results: messages.slice(start + 1, index) } : undefined;
}

function unaskedResult({ tool_call_id: id }: Message, caller: Caller | undefined, at: string): Fault | undefined {
  const calls = caller?.message.tool_calls ?? [];
  const fault = (problem: string, fix: string): Fault => ({ code: 'CHAT_TOOL_RESULTS', problem, fix });
  if (calls.length === 0)
    return fault(
      `${at} is a tool's, but no tool was called`,
      caller ? 'add tool_calls to the turn before' : 'put a turn of the assistant before it that calls the tool',
    );
  if (caller!.results.length >= calls.length) return fault(`${at} is a result too many`, 'give one result a call');
  const ids = calls.flatMap((call) => call.id ?? []);
  if (id === undefined || ids.length === 0) return undefined;
  const asked = ids.filter((one) => one === id).length;
  const given = caller!.results.filter((result) => result.tool_call_id === id).length;
  if (given < asked) return undefined;
  if (asked > 0) return fault(`${at} answers the call '${id}', which has its result`, `the calls are ${listed(ids)}`);
  const close = nearest(id, ids);
  const meant = close === undefined ? '' : `did you mean ${close}? `;
  return fault(`${at} answers the call '${id}', which nobody made`, `${meant}the calls are ${listed(ids)}`);
}

/** Another turn follows a call before all its results are there. */
function missingResult(index: number, { message, results }: Caller): Fault | undefined {
  const calls = message.tool_calls ?? [];
  if (results.length >= calls.length) return undefined;
  const { name } = calls[results.length]!.function;
  const problem = `${turn(index)} follows a call of ${name} that has no result`;
  return { code: 'CHAT_TOOL_RESULTS', problem, fix: 'add a message of the role tool with the result' };
}

function unofferedCall({ tool_calls: calls = [] }: Message, tools: readonly Tool[], index: number): Fault | undefined {
  if (tools.length === 0) return undefined;
  const names = tools.map((tool) => tool.function.name);
  const foreign = calls.find((call) => !names.includes(call.function.name))?.function.name;
  if (foreign === undefined) return undefined;
  const close = nearest(foreign, names);
  const problem = `${turn(index)} calls '${foreign}', which is none of the row's tools`;
  const meant = close === undefined ? '' : `did you mean ${close}? `;
  return { code: 'CHAT_TOOLS', problem, fix: `${meant}the tools are ${listed(names)}` };
}

/** As people count. */
export const turn = (index: number): string => `message ${index + 1}`;
