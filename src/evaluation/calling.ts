/** How often a model calls the tools that the data calls, with the same arguments: it writes, and what it wrote is read. */
import { IGNORED } from '../data/batch.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { type Decoder, generate } from '../inference/generation/index.ts';
import { callsIn, sameCalls } from './toolCalls.ts';

interface Row {
  readonly inputIds: readonly number[];
  readonly labels?: readonly number[];
}

export interface Calling {
  readonly decoder: Decoder;
  readonly tokenizer: Tokenizer;
  readonly endIds: readonly number[];
  readonly signal: AbortSignal;
}

/** Prompts that are answered together. */
const AT_ONCE = 8;
/** Beyond what the data needs: a call that goes on is another one. */
const MORE_TOKENS = 16;

export interface CallingResult {
  /** Share of the calling turns whose name and arguments are those of the data. */
  readonly accuracy: number;
  readonly turns: number;
}

/** Undefined where no row calls a tool. Each turn that calls is asked for with all that stands before it. */
export async function toolCallAccuracy(rows: readonly Row[], calling: Calling): Promise<CallingResult | undefined> {
  const { decoder, tokenizer, endIds, signal } = calling;
  const turns = rows
    .flatMap((row) => callingTurns(row, tokenizer))
    .filter(({ prompt }) => prompt.length < decoder.longest);
  if (turns.length === 0) return undefined;
  let right = 0;
  for (let start = 0; start < turns.length; start += AT_ONCE) {
    signal.throwIfAborted();
    const asked = turns.slice(start, start + AT_ONCE);
    const most = Math.max(...asked.map(({ length }) => length)) + MORE_TOKENS;
    const request = { inputIds: asked.map(({ prompt }) => prompt), endIds, signal };
    const answers = await generate(decoder, request, { max_new_tokens: most });
    for (const [i, { tokens }] of answers.entries()) {
      if (sameCalls(callsIn(tokenizer.decode(tokens)), asked[i]!.wanted)) right += 1;
    }
  }
  return { accuracy: right / turns.length, turns: turns.length };
}

/** The stretches that are learned and hold a call, with the tokens before each. */
function callingTurns({ inputIds, labels = [] }: Row, tokenizer: Tokenizer) {
  const starts = labels.flatMap((label, at) => (label !== IGNORED && labels[at - 1] === IGNORED ? [at] : []));
  return starts.flatMap((start) => {
    const after = labels.indexOf(IGNORED, start);
    const learned = inputIds.slice(start, after < 0 ? undefined : after);
    const wanted = callsIn(tokenizer.decode(learned));
    return wanted.length > 0 ? [{ prompt: inputIds.slice(0, start), wanted, length: learned.length }] : [];
  });
}
