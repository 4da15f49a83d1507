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
const formats = { messages, prompt_completion: promptCompletion, alpaca, sharegpt } satisfies Record<
  string,
  ChatFormat
>;

export type ChatFormatName = keyof typeof formats;
export const chatFormatNames = Object.keys(formats) as [ChatFormatName, ...ChatFormatName[]];

export interface ChatWishes {
  readonly format: ChatFormatName | 'auto';
  readonly columns?: ChatColumns | undefined;
}

export interface CheckedConversations extends Problems {
  readonly conversations: readonly Conversation[];
  /** Undefined where no format fits. */
  readonly format: ChatFormatName | undefined;
}

/** The conversations that the rows give, beside the problems of the rows that give none. */
export function readConversations(rows: readonly Row[], wishes: ChatWishes): CheckedConversations {
  const list = problemList();
  const conversations: Conversation[] = [];
  const format = rows.length === 0 ? undefined : formatOf(rows, wishes);
  if (typeof format === 'object') list.add(format);
  if (typeof format === 'string') {
    for (const row of rows) {
      const { conversation, faults } = conversationOf(row, formats[format], wishes.columns);
      if (conversation) conversations.push(conversation);
      for (const fault of faults) list.add({ ...fault, line: row.line, where: row.where });
    }
  }
  const { problems, problemCount } = list;
  return { conversations, format: typeof format === 'string' ? format : undefined, problems, problemCount };
}

/** The declared format, or the one whose columns the rows have. Columns of two formats at once are not guessed at. */
function formatOf(rows: readonly Row[], { format, columns = {} }: ChatWishes): ChatFormatName | DataProblem {
  if (format !== 'auto') return format;
  const present = new Set(rows.flatMap(({ values }) => Object.keys(values)));
  const fits = (name: ChatFormatName): boolean =>
    neededColumns(formats[name], columns).every((one) => present.has(one));
  const [first, second] = chatFormatNames.filter(fits);
  if (first !== undefined && second === undefined) return first;
  const { line, where } = rows[0]!;
  const place = { code: 'DATA_FORMAT', line, where } as const;
  if (second !== undefined) {
    const problem = `the columns fit two formats, ${first} and ${second}`;
    return { ...place, problem, fix: `say which is meant with data.format: ${first}` };
  }
  const expected = chatFormatNames.map((name) => `${name} (${neededColumns(formats[name], columns).join(', ')})`);
  const problem = `no format has these columns: ${listed([...present], 20)}`;
  return { ...place, problem, fix: `give the columns of one of ${expected.join('; ')}, or name yours in data.columns` };
}

const neededColumns = ({ needs }: ChatFormat, columns: ChatColumns): string[] =>
  Object.entries(needs).map(([use, name]) => columns[use as ChatUse] ?? name);

interface Result {
  readonly conversation?: Conversation;
  readonly faults: readonly Fault[];
}

function conversationOf(row: Row, format: ChatFormat, columns: ChatColumns = {}): Result {
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
  const read = raw.value.messages.map((message, index) => readMessage(message, turn(index)));
  const faults = [tools, ...read].flatMap((one) => ('faults' in one ? one.faults : []));
  if (faults.length > 0 || !('value' in tools)) return { faults };
  const conversation = {
    messages: read.flatMap((one) => ('value' in one ? [one.value] : [])),
    tools: tools.value,
    where: row.where,
  };
  const fault = orderFault(conversation);
  return fault ? { faults: [fault] } : { conversation, faults };
}

function missingColumn(name: string, { values }: Row): Fault {
  const close = nearest(name, Object.keys(values));
  const fix = close === undefined ? 'add it, or remove the row' : `did you mean '${close}'?`;
  return { code: 'CHAT_MESSAGES', problem: `the row has no '${name}'; it has ${listed(Object.keys(values), 20)}`, fix };
}
