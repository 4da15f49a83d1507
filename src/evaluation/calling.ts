/** How often a model calls the tools that the data calls, with the same arguments: it writes, and what it wrote is read. */
import type { Tokenizer } from '../data/tokenizer.ts';
import { type Called, callsIn, sameCalls } from './toolCalls.ts';
import { type Answered, type Asking, answersTo, longestOf, type Turn } from './turns.ts';

export interface CallingTurn extends Turn {
  readonly wanted: readonly Called[];
}

/** The turns that hold a call, as far as the model has room for them. */
export const callingTurns = (turns: readonly Turn[], tokenizer: Tokenizer, { longest }: Asking['decoder']) =>
  turns.flatMap((turn): CallingTurn[] => {
    if (turn.prompt.length >= longest) return [];
    const wanted = callsIn(tokenizer.decode(turn.expected));
    return wanted.length > 0 ? [{ ...turn, wanted }] : [];
  });

export const askForCalls = (turns: readonly CallingTurn[], asking: Asking): Promise<Answered<CallingTurn>[]> =>
  answersTo(turns, asking, longestOf);

const callsRightly = ({ tokens, wanted }: Answered<CallingTurn>, tokenizer: Tokenizer): boolean =>
  sameCalls(callsIn(tokenizer.decode(tokens)), wanted);

/** Share of the turns whose calls have the names and arguments of the data; undefined where no turn calls. */
export function toolCallAccuracy(answered: readonly Answered<CallingTurn>[], tokenizer: Tokenizer): number | undefined {
  if (answered.length === 0) return undefined;
  return answered.filter((one) => callsRightly(one, tokenizer)).length / answered.length;
}
