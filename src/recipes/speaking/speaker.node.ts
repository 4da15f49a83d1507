/** Text from a run, a model or an adapter, one answer as it comes or many at once. */
import { availableParallelism } from 'node:os';
import { batchesByLength } from '../../data/batch.ts';
import type { Tokenizer } from '../../data/tokenizer.ts';
import { type Called, callsIn } from '../../evaluation/toolCalls.ts';
import {
  type FinishReason,
  type GenerationSettings,
  generate,
  openTextStream,
  streamTokens,
  textBefore,
} from '../../inference/generation/index.ts';
import { openWriter } from '../../inference/languageModel.node.ts';
import type { BasePrecision } from '../../models/nn/index.ts';
import type { Target } from '../target.node.ts';
import type { Prompt, Prompter } from './prompter.node.ts';

export interface Answer {
  readonly text: string;
  /** `stop`: it ended by itself or at a text to stop at; `length`: no room was left; `aborted`: it was told to end. */
  readonly finishReason: FinishReason;
  /** How many were generated. */
  readonly tokens: number;
  /** Where tools were offered: the calls in the text. */
  readonly toolCalls: readonly Called[];
}

export interface Speaking {
  readonly settings: GenerationSettings;
  /** Tools were offered: their calls are read. */
  readonly tools?: boolean;
  /** Number of the first prompt among all that are asked; left out, 0. */
  readonly firstNumber?: number;
  readonly signal: Pick<AbortSignal, 'aborted'>;
}

export interface Speaker extends AsyncDisposable {
  /** Prompt after prompt, `n` answers to each. */
  answers(prompts: readonly Prompt[], how: Speaking): Promise<Answer[]>;
  /** The text as it comes; what the generator returns is the whole answer. */
  stream(prompt: Prompt, how: Speaking): AsyncGenerator<string, Answer>;
}

/** Opens the weights. */
export async function openSpeaker(
  { artifact }: Target,
  prompter: Prompter,
  { basePrecision }: { readonly basePrecision?: BasePrecision | undefined } = {},
): Promise<Speaker> {
  const { source } = prompter;
  const opening = { threads: availableParallelism(), source, basePrecision };
  const { decoder, ...writer } = await openWriter(artifact, opening);
  const { tokenizer } = source;
  const decode = (tokens: readonly number[]): string => tokenizer.decode(tokens, { skipSpecial: true });
  const answerOf = answersIn(tokenizer);
  return {
    async answers(prompts, how) {
      const { settings, signal, firstNumber = 0 } = how;
      const endIds = endsOf(prompter, settings);
      const answers = new Array<Answer>(prompts.length * settings.n).fill(answerOf([], 'aborted', how));
      for (const places of together(prompts, settings.n)) {
        if (signal.aborted) return answers;
        const inputIds = places.map((place) => prompts[place]!);
        const numbers = places.map((place) => place + firstNumber);
        const completions = await generate(decoder, { inputIds, numbers, endIds, decode, signal }, settings);
        for (const { prompt, sample, tokens, finishReason } of completions) {
          answers[places[prompt]! * settings.n + sample] = answerOf(tokens, finishReason, how);
        }
      }
      return answers;
    },
    async *stream(prompt, how) {
      const endIds = endsOf(prompter, how.settings);
      const growing = openTextStream(decode, how.settings.stop);
      const tokens: number[] = [];
      let finishReason: FinishReason = 'aborted';
      const request = { inputIds: [prompt], numbers: [how.firstNumber ?? 0], endIds, decode, signal: how.signal };
      for await (const { token, finishReason: reason } of streamTokens(decoder, request, { ...how.settings, n: 1 })) {
        if (token !== undefined) {
          tokens.push(token);
          yield growing.push(token);
        }
        if (reason) finishReason = reason;
      }
      yield growing.end();
      return answerOf(tokens, finishReason, how);
    },
    [Symbol.asyncDispose]: () => writer[Symbol.asyncDispose](),
  };
}

/** What ends an answer. Special tokens are in no text: those that `stop` names end it by themselves. */
export function endsOf(
  { endIds, source: { tokenizer } }: Pick<Prompter, 'endIds' | 'source'>,
  { stop }: Pick<GenerationSettings, 'stop'>,
): readonly number[] {
  const special = [...tokenizer.specialIds].filter((id) => stop.includes(tokenizer.tokenOf(id) ?? ''));
  return [...endIds, ...special];
}

/** Makes answers of the tokens that were generated. */
export const answersIn =
  (tokenizer: Tokenizer) =>
  (
    tokens: readonly number[],
    finishReason: FinishReason,
    { settings, tools }: Pick<Speaking, 'settings' | 'tools'>,
  ): Answer => ({
    text: textBefore(tokenizer.decode(tokens, { skipSpecial: true }), settings.stop),
    finishReason,
    tokens: tokens.length,
    // Templates may put calls between special tokens.
    toolCalls: tools ? callsIn(tokenizer.decode(tokens)) : [],
  });

/** Texts that are written at once. */
const AT_ONCE = 8;

/** Places of prompts that are answered together: of like length, longest first. */
function together(prompts: readonly Prompt[], samples: number): number[][] {
  const lengths = prompts.map(({ length }) => length);
  return batchesByLength(lengths, Math.max(1, Math.floor(AT_ONCE / samples)));
}
