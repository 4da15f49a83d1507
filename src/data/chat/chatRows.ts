/** Conversations to rows of tokens. A row that has nothing left to learn is an error or a counted drop, never silent. */
import { lineOf, type Problems, problemList } from '../problems.ts';
import { labelCount, type TokenRow, type TokenRows, truncated } from '../text/tokenRow.ts';
import type { Conversation } from './conversation.ts';
import { type ChatEncoder, encodeConversation } from './encode.ts';

export interface ChatRowOptions extends ChatEncoder {
  readonly maxLength: number;
  readonly onEmptyLabels: 'error' | 'drop';
}

export interface ChatRows extends TokenRows<Conversation>, Problems {
  /** The special tokens that answers end with, by how often they are learned. */
  readonly endTokens: ReadonlyMap<number, number>;
}

export function chatRows(conversations: readonly Conversation[], options: ChatRowOptions): ChatRows {
  const { maxLength, onEmptyLabels } = options;
  const list = problemList();
  const kept: { row: TokenRow; example: Conversation }[] = [];
  const endTokens = new Map<number, number>();
  const facts = { tokens: 0, labels: 0, truncated: 0, lostLabels: 0, lostEnds: 0, dropped: 0 };
  for (const example of conversations) {
    const encoded = encodeConversation(example, options);
    const place = { line: lineOf(example.where), where: example.where };
    if ('fault' in encoded) {
      list.add({ ...encoded.fault, ...place });
      continue;
    }
    const { inputIds, labels, ends } = encoded.row;
    const row = truncated({ inputIds, labels }, maxLength);
    const [whole, left] = [labelCount(encoded.row), labelCount(row)];
    if (left === 0 && onEmptyLabels === 'drop') facts.dropped += 1;
    else if (left === 0) list.add({ ...nothingLeft(inputIds.length, maxLength), ...place });
    else {
      const learned = ends.filter((at) => at < row.inputIds.length).map((at) => inputIds[at]!);
      for (const id of learned) endTokens.set(id, (endTokens.get(id) ?? 0) + 1);
      facts.tokens += row.inputIds.length;
      facts.labels += left;
      facts.lostLabels += whole - left;
      facts.lostEnds += ends.length - learned.length;
      if (row.inputIds.length < inputIds.length) facts.truncated += 1;
      kept.push({ row, example });
    }
  }
  const { problems, problemCount } = list;
  const rows = kept.map(({ row }) => row);
  return { rows, examples: kept.map(({ example }) => example), facts, endTokens, problems, problemCount };
}

function nothingLeft(length: number, maxLength: number) {
  return {
    code: 'DATA_NO_LABELS' as const,
    problem: `of ${length} tokens the first ${maxLength} are read, and none of these is learned`,
    fix: 'raise data.max_length, shorten the prompt, or leave such rows out with data.on_empty_labels: drop',
  };
}
