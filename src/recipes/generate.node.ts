/** Text from a run, a model or an adapter: prompts are written as the model learned them, and answers end where it ends them. */
import { availableParallelism } from 'node:os';
import type { Message } from '../data/chat/index.ts';
import { AttuneError } from '../errors/index.ts';
import {
  type FinishReason,
  type GenerationOptions,
  generationSettings,
  openTextStream,
  streamTokens,
  textBefore,
} from '../inference/generation/index.ts';
import { openWriter } from '../inference/languageModel.node.ts';
import { openSpeech } from './speech.node.ts';
import { openTarget } from './target.node.ts';

export interface Answer {
  readonly text: string;
  readonly finishReason: FinishReason;
  /** Tokens that were generated. */
  readonly tokens: number;
}

export interface Speaker extends AsyncDisposable {
  /** The model knows conversations. */
  readonly isChat: boolean;
  /** Goes on from a conversation; `onText` is told what is written as it comes. */
  reply(messages: readonly Message[], how: Speaking): Promise<Answer>;
  /** Goes on from a text as it stands. */
  complete(text: string, how: Speaking): Promise<Answer>;
}

export interface Speaking {
  readonly options: GenerationOptions;
  readonly think?: boolean;
  readonly onText?: (piece: string) => void;
  readonly signal: AbortSignal;
}

export async function openSpeaker(reference: string, signal: AbortSignal): Promise<Speaker> {
  const { artifact, adapter } = await openTarget(reference, signal);
  const writer = await openWriter(artifact, { threads: availableParallelism() });
  const { source, decoder } = writer;
  const { tokenizer } = source;
  const { template, endIds } = await openSpeech(source, adapter);
  async function goOn(inputIds: readonly number[], { options, onText, signal: stopping }: Speaking): Promise<Answer> {
    const decode = (tokens: readonly number[]): string => tokenizer.decode(tokens, { skipSpecial: true });
    const { stop } = generationSettings.parse(options);
    const growing = openTextStream(decode, stop);
    const tokens: number[] = [];
    let finishReason: FinishReason = 'aborted';
    const request = { inputIds: [inputIds], endIds, decode, signal: stopping };
    for await (const { token, finishReason: reason } of streamTokens(decoder, request, { ...options, n: 1 })) {
      if (token !== undefined) {
        tokens.push(token);
        onText?.(growing.push(token));
      }
      if (reason) finishReason = reason;
    }
    onText?.(growing.end());
    return { text: textBefore(decode(tokens), stop), finishReason, tokens: tokens.length };
  }
  return {
    isChat: template !== undefined,
    reply(messages, how) {
      if (!template) throw noChat(reference);
      const told = { addGenerationPrompt: true, enableThinking: how.think ?? false };
      return goOn(tokenizer.ids(template.render({ messages, tools: [], ...told }).text), how);
    },
    complete: (text, how) => goOn([...tokenizer.around.before, ...tokenizer.ids(text)], how),
    [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
  };
}

function noChat(where: string): AttuneError {
  const problem = 'it knows no conversations: there is no chat template beside it';
  const fix = 'use attune generate, or tune it with task: sft';
  return new AttuneError({ code: 'CHAT_TEMPLATE', where, problem, fix });
}
