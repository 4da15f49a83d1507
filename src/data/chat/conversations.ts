/** Rows to conversations, whatever the format. */
import { nearest } from '../../errors/index.ts';
import { type DataProblem, listed, type Problems, problemList } from '../problems.ts';
import type { Fault, Row } from '../row.ts';
import { type Conversation, orderFault, turn } from './conversation.ts';
import { alpaca } from './formats/alpaca.ts';
import type { ChatColumns, ChatFormat, ChatUse } from './formats/format.ts';
import { messages } from './formats/messages.ts';
import { promptCompletion } from './formats/promptCompletion.ts';
import { sharegpt } from './formats/sharegpt.ts';
import { readMessage } from './message.ts';
import { toolsOf } from './toolCalls.ts';

/** Every form of chat data; the first whose columns are there is taken. A new one is its file and a line here. */
export const formats = { messages, prompt_completion: promptCompletion, alpaca, sharegpt } satisfies Record<
  string,
  ChatFormat
>;

/** A row, for who wrote something else. */
export const chatExample = '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}';

export type ChatFormatName = keyof typeof formats;
export const chatFormatNames = Object.keys(formats) as [ChatFormatName, ...ChatFormatName[]];

interface ReadWishes {
  readonly format: string;
  readonly columns?: ChatColumns | undefined;
}

export interface ChatWishes extends ReadWishes {
  readonly format: ChatFormatName | 'auto';
}

export interface CheckedConversations extends Problems {
  readonly conversations: readonly Conversation[];
  /** Undefined where no format fits. */
  readonly format: ChatFormatName | undefined;
}

/** What rows are read for. */
export interface Use {
  readonly formats: Readonly<Record<string, ChatFormat>>;
  /** The messages that are taken of a row. */
  part(messages: readonly unknown[]): readonly unknown[];
  /** What is wrong with a conversation as a whole. */
  faultOf(conversation: Conversation): Fault | undefined;
  /** What is to be done where the columns fit two formats. */
  choose(first: string): string;
}

const learning: Use = {
  formats,
  part: (messages) => messages,
  faultOf: orderFault,
  choose: (first) => `say which is meant with data.format: ${first}`,
};

/** The conversations that the rows give, beside the problems of the rows that give none. */
export function readConversations(rows: readonly Row[], wishes: ChatWishes): CheckedConversations {
  const { format, ...read } = readRows(rows, wishes, learning);
  return { ...read, format: format as ChatFormatName | undefined };
}

export function readRows(rows: readonly Row[], wishes: ReadWishes, use: Use) {
  const list = problemList();
  const conversations: Conversation[] = [];
  const format = rows.length === 0 ? undefined : formatOf(rows, wishes, use);
  if (typeof format === 'object') list.add(format);
  if (typeof format === 'string') {
    for (const row of rows) {
      const { conversation, faults } = conversationOf(row, { ...wishes, format: use.formats[format]!, use });
      if (conversation) conversations.push(conversation);
      for (const fault of faults) list.add({ ...fault, line: row.line, where: row.where });
    }
  }
  const { problems, problemCount } = list;
  return { conversations, format: typeof format === 'string' ? format : undefined, problems, problemCount };
}

/** The declared format, or the one whose columns the rows have. Columns of two formats at once are not guessed at. */
function formatOf(rows: readonly Row[], wishes: ReadWishes, use: Use): string | DataProblem {
  const { format, columns = {} } = wishes;
  const known = use.formats;
  if (format !== 'auto') return format;
  const present = new Set(rows.flatMap(({ values }) => Object.keys(values)));
  const names = Object.keys(known);
  const fits = (name: string): boolean => neededColumns(known[name]!, columns).every((one) => present.has(one));
  const [first, second] = names.filter(fits);
  if (first !== undefined && second === undefined) return first;
  const { line, where } = rows[0]!;
  const place = { code: 'DATA_FORMAT', line, where } as const;
  if (second !== undefined) {
    const problem = `the columns fit two formats, ${first} and ${second}`;
    return { ...place, problem, fix: use.choose(first!) };
  }
  const expected = names.map((name) => `${name} (${neededColumns(known[name]!, columns).join(', ')})`);
  const problem = `no format has these columns: ${listed([...present], 20)}`;
  return { ...place, problem, fix: `give the columns of one of ${expected.join('; ')}, or name yours in data.columns` };
}

const neededColumns = ({ needs }: ChatFormat, columns: ChatColumns): string[] =>
  Object.entries(needs).map(([use, name]) => columns[use as ChatUse] ?? name);

interface Result {
  readonly conversation?: Conversation;
  readonly faults: readonly Fault[];
}

interface Reading {
  readonly format: ChatFormat;
  readonly use: Use;
  readonly columns?: ChatColumns | undefined;
}

function conversationOf(row: Row, { format, use, columns = {} }: Reading): Result {
  const names: Partial<Record<ChatUse, string>> = { ...format.may, ...format.needs, ...columns };
  const cell = (use: ChatUse): unknown => {
    const name = names[use];
    return name !== undefined && Object.hasOwn(row.values, name) ? row.values[name] : undefined;
  };
  const missing = Object.keys(format.needs).find((use) => cell(use as ChatUse) === undefined);
  if (missing !== undefined) return { faults: [missingColumn(names[missing as ChatUse]!, row)] };
  const raw = format.read(row, cell);
  if ('faults' in raw) return raw;
  const tools = toolsOf(raw.value.tools);
  const read = use.part(raw.value.messages).map((message, index) => readMessage(message, turn(index)));
  const faults = [tools, ...read].flatMap((one) => ('faults' in one ? one.faults : []));
  if (faults.length > 0 || !('value' in tools)) return { faults };
  const conversation = {
    messages: read.flatMap((one) => ('value' in one ? [one.value] : [])),
    tools: tools.value,
    where: row.where,
  };
  const fault = use.faultOf(conversation);
  return fault ? { faults: [fault] } : { conversation, faults };
}

function missingColumn(name: string, { values }: Row): Fault {
  const close = nearest(name, Object.keys(values));
  const fix = close === undefined ? 'add it, or remove the row' : `did you mean '${close}'?`;
  return { code: 'CHAT_MESSAGES', problem: `the row has no '${name}'; it has ${listed(Object.keys(values), 20)}`, fix };
}
