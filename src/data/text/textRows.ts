/** Texts to rows of tokens, all of which are learned. A long text becomes several rows. */

import { IGNORED } from '../batch.ts';
import { lineOf, type Problems, problemList } from '../problems.ts';
import type { Tokenizer } from '../tokenizer.ts';
import type { TextExample } from './texts.ts';
import { labelCount, type TokenRow, type TokenRows } from './tokenRow.ts';

export interface TextRowOptions {
  readonly tokenizer: Tokenizer;
  readonly maxLength: number;
}

export function textRows(texts: readonly TextExample[], options: TextRowOptions): TokenRows<TextExample> & Problems {
  const list = problemList();
  const rows: TokenRow[] = [];
  const examples: TextExample[] = [];
  for (const example of texts) {
    const ids = idsOf(example.text, options.tokenizer);
    const { bosTokenId } = options.tokenizer;
    if (bosTokenId !== undefined && ids[0] === bosTokenId && ids[1] === bosTokenId) {
      const problem = 'the text begins with bos_token, which the tokenizer adds by itself';
      const place = { line: lineOf(example.where), where: example.where };
      list.add({ code: 'CHAT_BOS', problem, fix: 'take it out of the text', ...place });
    }
    for (const block of blocksOf(ids, options.maxLength)) {
      rows.push(block);
      examples.push(example);
    }
  }
  const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
  const tokens = sum(rows.map(({ inputIds }) => inputIds.length));
  const facts = { tokens, labels: sum(rows.map(labelCount)), truncated: 0, lostLabels: 0, lostEnds: 0, dropped: 0 };
  return { rows, examples, facts, problems: list.problems, problemCount: list.problemCount };
}

/** As the tokenizer puts it for a text alone, and with an end, which is learned too. */
function idsOf(text: string, { ids, around, eosTokenId }: Tokenizer): number[] {
  const whole = [...around.before, ...ids(text), ...around.after];
  return eosTokenId === undefined || whole.at(-1) === eosTokenId ? whole : [...whole, eosTokenId];
}

/** The last token of a block is the first of the next one, so that every token but the first is learned, and once. */
function blocksOf(ids: readonly number[], maxLength: number): TokenRow[] {
  const blocks: TokenRow[] = [];
  for (let start = 0; start < ids.length - 1; start += maxLength - 1) {
    const inputIds = ids.slice(start, start + maxLength);
    blocks.push({ inputIds, labels: inputIds.map((id, at) => (at === 0 ? IGNORED : id)) });
  }
  return blocks;
}
