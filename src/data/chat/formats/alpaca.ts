/** `{instruction, input?, output, system?, history?}` of Stanford Alpaca and LLaMA-Factory. */
import { excerpt } from '../../problems.ts';
import { failed } from '../message.ts';
import { type ChatFormat, isAbsent } from './format.ts';
import { listOf } from './listOf.ts';

export const alpaca: ChatFormat = {
  needs: { instruction: 'instruction', output: 'output' },
  may: { input: 'input', system: 'system', history: 'history', tools: 'tools' },
  answer: 'output',
  read(_, cell) {
    const system = isAbsent(cell('system')) ? [] : [{ role: 'system', content: cell('system') }];
    const earlier = isAbsent(cell('history')) ? [] : earlierTurns(cell('history'));
    if (earlier === undefined) {
      const problem = `the history is no list of pairs: ${excerpt(JSON.stringify(cell('history')))}`;
      return failed('CHAT_MESSAGES', problem, 'write [["question", "answer"], …]');
    }
    const question = asked(cell('instruction'), cell('input'));
    const answer = cell('output') === undefined ? [] : [{ role: 'assistant', content: cell('output') }];
    const turns = [{ role: 'user', content: question }, ...answer];
    return { value: { messages: [...system, ...earlier, ...turns], tools: cell('tools') } };
  },
};

/** The input stands below the instruction, a blank line between them. */
const asked = (instruction: unknown, input: unknown): unknown =>
  isAbsent(input) || typeof instruction !== 'string' ? instruction : `${instruction}\n\n${String(input)}`;

function earlierTurns(history: unknown): readonly unknown[] | undefined {
  const pairs = listOf(history)?.map((pair) => (Array.isArray(pair) && pair.length === 2 ? pair : undefined));
  if (pairs === undefined || pairs.includes(undefined)) return undefined;
  return pairs.flatMap((pair) => [
    { role: 'user', content: pair![0] },
    { role: 'assistant', content: pair![1] },
  ]);
}
