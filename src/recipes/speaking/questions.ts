/** What a program asks, as the tokens that a model goes on from. */
import { type ChatMessage, checkPrompt, type Tool } from '../../data/chat/index.ts';
import { throwProblems } from '../../data/index.ts';
import { AttuneError } from '../../errors/index.ts';
import type { Prompt, Prompter } from './prompter.node.ts';

/** A prompt, or a conversation. */
export type Question = string | readonly ChatMessage[];

export interface Asking {
  readonly raw?: boolean | undefined;
  readonly system?: string | undefined;
  readonly tools?: readonly (Tool | Tool['function'])[] | undefined;
  readonly think?: boolean | undefined;
}

/** A text goes through the chat template as what a user says, where there is one. */
export const promptsOf = (prompter: Prompter, questions: readonly Question[], asking: Asking): Promise<Prompt[]> =>
  Promise.all(
    questions.map((one, i) => promptOf(prompter, one, { ...asking, place: placeOf(one, i, questions.length) })),
  );

interface Placed extends Asking {
  readonly place: string;
}

export async function promptOf(
  prompter: Prompter,
  question: Question,
  { place, raw, system, tools, think }: Placed,
): Promise<Prompt> {
  if (typeof question === 'string' && (raw || !prompter.isChat)) {
    refuseUnsaid({ system, tools, think }, place);
    return prompter.text(question, place);
  }
  const said = typeof question === 'string' ? [{ role: 'user', content: question } as const] : question;
  const begins = system !== undefined && said[0]?.role !== 'system';
  const messages = begins ? [{ role: 'system', content: system } as const, ...said] : said;
  const { conversations, ...problems } = checkPrompt({ messages, tools }, place);
  throwProblems(problems);
  return await prompter.conversation({ ...conversations[0]!, think });
}

/** A text as it stands has no place for them. */
function refuseUnsaid(asking: Asking, place: string): void {
  const { system, tools = [], think } = asking;
  const unsaid = system !== undefined ? 'system' : tools.length > 0 ? 'tools' : think ? 'think' : undefined;
  if (unsaid === undefined) return;
  const problem = `\`${unsaid}\` is of conversations, and this is a text as it stands`;
  throw new AttuneError({ code: 'CONFIG_INVALID', where: place, problem, fix: 'leave it out' });
}

/** Names a question in errors. */
export const placeOf = (question: Question, index: number, count: number): string =>
  `${typeof question === 'string' ? 'prompt' : 'conversation'}${count > 1 ? ` ${index + 1}` : ''}`;
