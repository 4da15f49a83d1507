/** One base with many adapters, as a program uses it. */
import { AttuneError } from '../../errors/index.ts';
import type { Prediction, TextInput } from '../../inference/classifier.node.ts';
import type { ChatMessage, ChatOptions, GenerateOptions } from '../speaking/loadedModel.node.ts';
import type { Answer } from '../speaking/speaker.node.ts';
import type { AdapterReferences } from './names.ts';

export interface ByAdapter {
  /** Who answers: one for all inputs, or one for each. Null, or left out: the base itself. */
  readonly adapter?: string | null | readonly (string | null)[] | undefined;
}

export type ChatByAdapter = ByAdapter & ChatOptions;
export type GenerateByAdapter = ByAdapter & GenerateOptions;

/** Holds the base once, whoever answers: `await using many = await load(base).with('runs/a', 'runs/b')`. */
export interface AdaptedModel extends AsyncDisposable {
  readonly kind: 'classifier' | 'language-model';
  /** Names of the adapters. */
  readonly adapters: readonly string[];
  /** More of them, while others answer: all that are given or, where one is refused, none. */
  add(...adapters: readonly AdapterReferences[]): Promise<void>;
  remove(...names: readonly string[]): void;
  /** Of a classifier; without a name, the base's own. */
  labelsOf(adapter?: string): readonly string[];
  predict(input: string | TextInput, how?: ByAdapter): Promise<Prediction>;
  predict(inputs: readonly (string | TextInput)[], how?: ByAdapter): Promise<Prediction[]>;
  /** Of a language model: goes on from a prompt, or from each of a list. */
  generate(prompt: string, how?: GenerateByAdapter): Promise<Answer>;
  generate(prompts: readonly string[], how?: GenerateByAdapter): Promise<Answer[]>;
  /** Answers a conversation, or each of a list. */
  chat(messages: readonly ChatMessage[], how?: ChatByAdapter): Promise<Answer>;
  chat(conversations: readonly (readonly ChatMessage[])[], how?: ChatByAdapter): Promise<Answer[]>;
  close(): Promise<void>;
}

/** The adapter of each input. */
export function ownersOf({ adapter }: ByAdapter, count: number): (string | undefined)[] {
  if (!Array.isArray(adapter))
    return new Array<string | undefined>(count).fill((adapter as string | null) ?? undefined);
  if (adapter.length === count) return adapter.map((name: string | null) => name ?? undefined);
  throw new AttuneError({
    code: 'CONFIG_INVALID',
    where: 'adapter',
    problem: `it names ${adapter.length} adapters for ${count} inputs`,
    fix: 'give one name for all inputs, or as many as there are inputs, null where the base answers',
  });
}
