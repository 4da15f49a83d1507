/** What a model writes where rows are learned: each stretch is asked for with all that stands before it. */
import { IGNORED } from '../data/batch.ts';
import { type Completion, type Decoder, generate } from '../inference/generation/index.ts';

interface Row {
  readonly inputIds: readonly number[];
  readonly labels?: readonly number[];
}

/** A stretch of a row that is learned: of a conversation, a turn of the assistant. */
export interface Turn {
  /** Number of the row, and of the turn among those of the row. */
  readonly row: number;
  readonly turn: number;
  /** All that stands before it. */
  readonly prompt: readonly number[];
  readonly expected: readonly number[];
}

export const learnedTurns = (rows: readonly Row[]): Turn[] =>
  rows.flatMap(({ inputIds, labels = [] }, row) => {
    const starts = labels.flatMap((label, at) => (label !== IGNORED && labels[at - 1] === IGNORED ? [at] : []));
    return starts.map((start, turn) => {
      const after = labels.indexOf(IGNORED, start);
      const expected = inputIds.slice(start, after < 0 ? undefined : after);
      return { row, turn, prompt: inputIds.slice(0, start), expected };
    });
  });

export interface Asking {
  readonly decoder: Decoder;
  readonly endIds: readonly number[];
  readonly signal: AbortSignal;
}

/** What was written in place of a turn. */
export type Answered<T extends Turn = Turn> = T & Pick<Completion, 'tokens' | 'finishReason'>;

/** Turns that are asked for together. */
const AT_ONCE = 8;

/** `most`: how many tokens turns that are asked for together may take. Throws the signal's reason once it is aborted. */
export async function answersTo<T extends Turn>(
  turns: readonly T[],
  { decoder, endIds, signal }: Asking,
  most: (together: readonly T[]) => number,
): Promise<Answered<T>[]> {
  const answered: Answered<T>[] = [];
  for (let start = 0; start < turns.length; start += AT_ONCE) {
    const together = turns.slice(start, start + AT_ONCE);
    const request = { inputIds: together.map(({ prompt }) => prompt), endIds, signal };
    const completions = await generate(decoder, request, { max_new_tokens: most(together) });
    signal.throwIfAborted();
    together.forEach((turn, i) => {
      const { tokens, finishReason } = completions[i]!;
      answered.push({ ...turn, tokens, finishReason });
    });
  }
  return answered;
}

/** Beyond what the data needs: an answer that goes on is another one. */
const MORE_TOKENS = 16;

export const longestOf = (turns: readonly Turn[]): number =>
  turns.reduce((longest, { expected }) => Math.max(longest, expected.length), 0) + MORE_TOKENS;
