/** A language model answers many questions, in their order: words of a command, or the rows of files. */
import { chunks } from '../../data/batch.ts';
import { type Conversation, type Message, readPrompts } from '../../data/chat/index.ts';
import { spokenText } from '../../data/chat/spokenText.ts';
import { readTexts, throwProblems } from '../../data/index.ts';
import { problemList, problemOf } from '../../data/problems.ts';
import type { GenerationSettings } from '../../inference/generation/index.ts';
import type { BasePrecision } from '../../models/nn/index.ts';
import type { Target } from '../target.node.ts';
import { readFiles } from '../train/prepareData.node.ts';
import { openPrompter, type Prompt, type Prompter } from './prompter.node.ts';
import { type Answer, openSpeaker } from './speaker.node.ts';

export interface Questions {
  readonly reference: string;
  readonly inputs: { readonly files: readonly string[] } | { readonly texts: readonly { readonly text: string }[] };
  readonly settings: GenerationSettings;
  /** Stands before conversations that have no system message. */
  readonly system?: string | undefined;
  readonly think?: boolean | undefined;
  /** How the weights are read; left out, as is usual. */
  readonly basePrecision?: BasePrecision | undefined;
  readonly signal: AbortSignal;
}

export interface Answered {
  /** What was asked last. */
  readonly asked: string;
  readonly answer: Answer;
  readonly offersTools: boolean;
}

/** Rows that are answered before the first of them is given: long files are answered as they go. */
const ROWS_AT_ONCE = 64;

/** Every row is read, and written as a prompt, before a weight is opened. */
export async function* answerRows(target: Target, questions: Questions): AsyncGenerator<Answered> {
  const { reference, settings, basePrecision, signal } = questions;
  const prompter = await openPrompter(target, { reference });
  prompter.expectSettings(settings);
  const asked = await questionsOf(target, prompter, questions);
  await using speaker = await openSpeaker(target, prompter, { basePrecision });
  let firstNumber = 0;
  for (const part of chunks(asked, ROWS_AT_ONCE)) {
    const prompts = part.map(({ prompt }) => prompt);
    const answers = await speaker.answers(prompts, { settings, firstNumber, tools: true, signal });
    signal.throwIfAborted();
    firstNumber += part.length;
    yield* part.map(({ text, offersTools }, i) => ({ asked: text, offersTools, answer: answers[i]! }));
  }
}

interface Question {
  readonly prompt: Prompt;
  readonly text: string;
  readonly offersTools: boolean;
}

async function questionsOf(target: Target, prompter: Prompter, questions: Questions): Promise<Question[]> {
  const { inputs } = questions;
  const columns = target.recipe?.data.columns as Record<string, string> | undefined;
  if (!prompter.isChat) {
    const texts = 'texts' in inputs ? worded(inputs.texts) : await readFiles(inputs.files, plainTexts(columns));
    return asPrompts(texts, async ({ text, where }) => ({ prompt: prompter.text(text, where), text }));
  }
  const chats = 'texts' in inputs ? worded(inputs.texts).map(asChat) : await readFiles(inputs.files, prompted(columns));
  return asPrompts(chats, async (chat) => {
    const messages = opened(chat, questions.system);
    return { prompt: await prompter.conversation({ ...chat, messages, think: questions.think }), text: lastSaid(chat) };
  });
}

const worded = (texts: readonly { readonly text: string }[]) =>
  texts.map(({ text }, i) => ({ text, where: `text ${i + 1}` }));

const asChat = ({ text, where }: { readonly text: string; readonly where: string }): Conversation => ({
  messages: [{ role: 'user', content: text }],
  tools: [],
  where,
});

type Reading<T> = Parameters<typeof readFiles<T>>[1];

/** Of a model that knows no conversations: it goes on from texts. */
const plainTexts =
  (columns: Record<string, string> | undefined): Reading<{ text: string; where: string }> =>
  (rows) => {
    const isPrompt = rows.some(({ values }) => !('text' in values) && 'prompt' in values);
    const { texts: found, ...problems } = readTexts(rows, columns?.['text'] ?? (isPrompt ? 'prompt' : 'text'));
    return { found, ...problems };
  };

const prompted =
  (columns: Record<string, string> | undefined): Reading<Conversation> =>
  (rows) => {
    const { conversations: found, ...problems } = readPrompts(rows, columns);
    return { found, ...problems };
  };

function opened({ messages }: Conversation, system: string | undefined): readonly Message[] {
  if (system === undefined || messages[0]!.role === 'system') return messages;
  return [{ role: 'system', content: system }, ...messages];
}

const lastSaid = (chat: Conversation): string => spokenText({ ...chat, messages: chat.messages.slice(-1) });

/** What is wrong with rows is told of all of them at once. */
async function asPrompts<T extends { readonly where: string; readonly tools?: readonly unknown[] }>(
  asked: readonly T[],
  written: (one: T) => Promise<Omit<Question, 'offersTools'>>,
): Promise<Question[]> {
  const problems = problemList();
  const questions: Question[] = [];
  for (const one of asked) {
    try {
      questions.push({ ...(await written(one)), offersTools: (one.tools ?? []).length > 0 });
    } catch (failure) {
      problems.add(problemOf(failure));
    }
  }
  throwProblems(problems);
  return questions;
}
