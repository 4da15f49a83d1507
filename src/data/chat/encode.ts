/**
 * A conversation to tokens, and which of them are learned from. Where a turn begins and ends among the tokens of the
 * whole is proved for every row: the tokens of the text before it must be the first tokens of the whole.
 */

import { IGNORED } from '../batch.ts';
import { excerpt } from '../problems.ts';
import type { Fault } from '../row.ts';
import type { TokenRow } from '../text/tokenRow.ts';
import type { Tokenizer } from '../tokenizer.ts';
import { type Conversation, isTrained, turn } from './conversation.ts';
import { type ChatTemplate, type Rendered, type Span, thinks } from './template.ts';
import { unwritten } from './unwritten.ts';

export interface ChatEncoder {
  readonly template: ChatTemplate;
  readonly tokenizer: Tokenizer;
}

export interface EncodedConversation extends TokenRow {
  /** Where trained turns end: the places of the tokens that end them. */
  readonly ends: readonly number[];
}

export type Encoded = { readonly row: EncodedConversation } | { readonly fault: Fault };

export function encodeConversation(conversation: Conversation, encoder: ChatEncoder): Encoded {
  try {
    return { row: encode(conversation, encoder) };
  } catch (failure) {
    if (failure instanceof Unprovable) return { fault: failure.fault };
    throw failure;
  }
}

/** Carries a fault from where it is found to the row that it spoils; it never leaves this file. */
class Unprovable extends Error {
  readonly fault: Fault;
  constructor(fault: Fault) {
    super(fault.problem);
    this.fault = fault;
  }
}

function encode(conversation: Conversation, encoder: ChatEncoder): EncodedConversation {
  const { tokenizer } = encoder;
  const whole = rendered(encoder, conversation, conversation.messages.length);
  const turns = trainedSpans(conversation, whole, encoder);
  const again = (changed: Pick<Conversation, 'messages' | 'tools'>) =>
    encoder.template.render({ ...changed, enableThinking: thinks(conversation.messages) });
  const spans = new Map(turns.map(({ index, span }) => [index, span]));
  const lost = unwritten(conversation, { written: whole, spans, again });
  if (lost) throw new Unprovable(lost);
  const inputIds = tokenizer.ids(whole.text);
  refuseTwoBeginnings(inputIds, tokenizer);
  const labels = new Array<number>(inputIds.length).fill(IGNORED);
  const ends: number[] = [];
  for (const { index, span } of turns) {
    const from = tokensBefore(span[0], { whole: whole.text, inputIds, tokenizer, index });
    const end = endOfTurn(span, { whole: whole.text, inputIds, tokenizer, index, from });
    for (let at = Math.max(1, from); at <= end; at++) labels[at] = inputIds[at]!;
    ends.push(end);
  }
  return { inputIds, labels, ends };
}

/** The first messages of a conversation as text. */
function rendered(
  { template }: ChatEncoder,
  { messages, tools }: Conversation,
  count: number,
  prompts = false,
): Rendered {
  try {
    const told = { addGenerationPrompt: prompts, enableThinking: thinks(messages) };
    return template.render({ messages: messages.slice(0, count), tools, ...told });
  } catch (failure) {
    const problem = `the chat template refuses it: ${excerpt((failure as Error).message)}`;
    throw new Unprovable({ code: 'CHAT_TEMPLATE', problem, fix: 'mend the row, or give another data.chat_template' });
  }
}

interface Turn {
  /** Number of the message. */
  readonly index: number;
  readonly span: Span;
}

/** Where the turns that are learned from stand in the text. */
function trainedSpans(conversation: Conversation, { text, answers }: Rendered, encoder: ChatEncoder): Turn[] {
  const { messages } = conversation;
  const turns = [...messages.keys()].filter((index) => messages[index]!.role === 'assistant');
  const trained = turns.filter((index) => isTrained(messages[index]!));
  if (!answers) return trained.map((index) => ({ index, span: provedSpan(conversation, { text, index, encoder }) }));
  if (answers.length === turns.length) {
    return trained.map((index) => ({ index, span: answers[turns.indexOf(index)]! }));
  }
  const problem = `the template marks ${answers.length} answers with {% generation %}, but the assistant has ${turns.length} turns`;
  throw new Unprovable({
    code: 'CHAT_MASK',
    problem,
    fix: 'mend the template, or give another with data.chat_template',
  });
}

interface Place {
  readonly text: string;
  readonly index: number;
  readonly encoder: ChatEncoder;
}

/** A turn is what the template adds for it: to all before it with the beginning of an answer. */
function provedSpan(conversation: Conversation, { text, index, encoder }: Place): Span {
  const before = rendered(encoder, conversation, index, true).text;
  const after = rendered(encoder, conversation, index + 1).text;
  const other = !text.startsWith(before)
    ? before
    : after.trimEnd() !== '' && !text.startsWith(after.trimEnd())
      ? after
      : undefined;
  if (other === undefined) return [before.length, Math.min(after.length, text.length)];
  const problem = `${turn(index)} cannot be told apart: with the turns after it the template writes it otherwise, ${differenceOf(text, other)}`;
  throw new Unprovable({ code: 'CHAT_MASK', problem, fix: unprovable });
}

const unprovable =
  'give the turn the weight 0, give a template that marks answers with {% generation %} (data.chat_template), or cut the row after it';

function differenceOf(whole: string, part: string): string {
  let at = 0;
  while (at < part.length && part[at] === whole[at]) at += 1;
  // Two characters may share the first half of their UTF-16.
  if (/[\ud800-\udbff]/.test(part[at - 1] ?? '')) at -= 1;
  return `${JSON.stringify(excerpt(whole.slice(at, at + 30)))} in place of ${JSON.stringify(excerpt(part.slice(at, at + 30)))}`;
}

interface Tokens {
  readonly whole: string;
  readonly inputIds: readonly number[];
  readonly tokenizer: Tokenizer;
  readonly index: number;
}

/** How many tokens stand before a place of the text, if a token begins there. */
function tokensBefore(place: number, { whole, inputIds, tokenizer, index }: Tokens): number {
  const before = tokenizer.ids(whole.slice(0, place));
  if (isPrefix(before, inputIds)) return before.length;
  const around = whole.slice(Math.max(0, place - 10), place + 10);
  const problem = `no token begins where ${turn(index)} does, in ${JSON.stringify(around)}`;
  throw new Unprovable({
    code: 'CHAT_MASK',
    problem,
    fix: 'let the answer begin with a letter, and not with a space or line end',
  });
}

/** The token that ends a turn: the last special one, with nothing but space behind it. */
function endOfTurn([, place]: Span, { whole, inputIds, tokenizer, index, from }: Tokens & { from: number }): number {
  const upTo = tokenizer.ids(whole.slice(0, place));
  const end = upTo.findLastIndex((id) => tokenizer.specialIds.has(id));
  const isEnded = end >= from && tokenizer.decode(upTo.slice(end + 1)).trim() === '';
  if (isEnded && isPrefix(upTo.slice(0, end + 1), inputIds)) return end;
  const shown = JSON.stringify(whole.slice(Math.max(0, place - 20), place));
  const problem = `${turn(index)} ends without a special token, in ${shown}: a model would never learn to stop`;
  const fix = 'let the template write eos_token after each answer, inside {% generation %} if it has that';
  throw new Unprovable({ code: 'CHAT_TEMPLATE_END', problem, fix });
}

const isPrefix = (part: readonly number[], whole: readonly number[]): boolean =>
  part.length <= whole.length && part.every((id, i) => id === whole[i]);

/** The template writes it, and the tokenizer is not asked to: two come of a template that begins with it twice. */
function refuseTwoBeginnings([first, second]: readonly number[], { bosTokenId }: Tokenizer): void {
  if (bosTokenId === undefined || first !== bosTokenId || second !== bosTokenId) return;
  const problem = 'the text begins with bos_token twice';
  throw new Unprovable({ code: 'CHAT_BOS', problem, fix: 'take it out of the data, or out of the chat template' });
}
