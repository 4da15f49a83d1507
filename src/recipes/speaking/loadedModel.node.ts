/** What `load` gives for a language model. */
import type { ChatMessage, Tool } from '../../data/chat/index.ts';
import { AttuneError } from '../../errors/index.ts';
import type { GenerationOptions } from '../../inference/generation/index.ts';
import type { Target } from '../target.node.ts';
import { type ChoosesNoLabel, choosesNoLabel } from './otherKind.ts';
import { openPrompter, type Prompter } from './prompter.node.ts';
import { promptsOf, type Question } from './questions.ts';
import { checkedSettings } from './settings.ts';
import { type Answer, openSpeaker, type Speaking } from './speaker.node.ts';

export type { ChatMessage, Tool } from '../../data/chat/index.ts';

/** Settings of generation under their usual names (`max_new_tokens`, `temperature`, `stop` …), and what is asked of a call. */
interface AskOptions extends Omit<GenerationOptions, 'n'> {
  /** Aborted: the call throws. */
  readonly signal?: AbortSignal;
  /** Lets a model that can think do so before it answers. */
  readonly think?: boolean;
}

export interface GenerateOptions extends AskOptions {
  /** Goes on from the prompt as it stands, and not through the chat template. */
  readonly raw?: boolean;
  /** The system message that stands before the prompt. */
  readonly system?: string;
}

export interface ChatOptions extends AskOptions {
  /** Tools that the model may call, as OpenAI's API declares them; its calls are in `toolCalls` of the answer. */
  readonly tools?: readonly (Tool | Tool['function'])[];
}

/** How many texts are written for each prompt: they follow each other in the list. */
interface Several {
  readonly n: number;
}

/** Writes texts until it is closed: `await using model = await load(folder)`. */
export interface LanguageModel extends AsyncDisposable, ChoosesNoLabel {
  readonly kind: 'language-model';
  /** It brings a chat template: a prompt of `generate` is what a user says. */
  readonly isChat: boolean;
  /** Goes on from a prompt, or from each of a list; answers are in the order of the prompts. */
  generate(prompt: string, options: GenerateOptions & Several): Promise<Answer[]>;
  generate(prompt: string, options?: GenerateOptions): Promise<Answer>;
  generate(prompts: readonly string[], options?: GenerateOptions & Partial<Several>): Promise<Answer[]>;
  /** Answers a conversation, or each of a list. */
  chat(messages: readonly ChatMessage[], options: ChatOptions & Several): Promise<Answer[]>;
  chat(messages: readonly ChatMessage[], options?: ChatOptions): Promise<Answer>;
  chat(chats: readonly (readonly ChatMessage[])[], options?: ChatOptions & Partial<Several>): Promise<Answer[]>;
  /** The same piece by piece, for `for await`; what the generator returns is the whole answer. */
  stream(asked: Question, options?: GenerateOptions & ChatOptions): AsyncGenerator<string, Answer>;
  /** Calls that are under way throw. */
  close(): Promise<void>;
}

type Options = GenerateOptions & ChatOptions & Partial<Several>;

export async function loadLanguageModel(target: Target, reference: string): Promise<LanguageModel> {
  const prompter = await openPrompter(target, { reference });
  const { answers, stream, close } = await openCalls(target, prompter, reference);
  async function generate(asked: string | readonly string[], options: Options = {}) {
    const found = await answers([asked].flat(), options);
    return typeof asked === 'string' && options.n === undefined ? found[0]! : found;
  }
  async function chat(asked: readonly ChatMessage[] | readonly (readonly ChatMessage[])[], options: Options = {}) {
    const isList = Array.isArray(asked[0]);
    const found = await answers((isList ? asked : [asked]) as readonly (readonly ChatMessage[])[], options);
    return isList || options.n !== undefined ? found : found[0]!;
  }
  return {
    kind: 'language-model',
    isChat: prompter.isChat,
    generate: generate as LanguageModel['generate'],
    chat: chat as LanguageModel['chat'],
    stream,
    ...choosesNoLabel(reference),
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Calls that end when their signal or the model does. */
async function openCalls(target: Target, prompter: Prompter, reference: string) {
  const speaker = await openSpeaker(target, prompter);
  let isClosed = false;
  const refuseEnded = (signal: AbortSignal | undefined): void => {
    signal?.throwIfAborted();
    if (isClosed) throw closed(reference);
  };
  const speaking = ({ raw: _, system: __, think: ___, tools, signal, ...settings }: Options): Speaking => {
    refuseEnded(signal);
    const isOver = (): boolean => isClosed || (signal?.aborted ?? false);
    const stopping = {
      get aborted() {
        return isOver();
      },
    };
    return { settings: checkedSettings(settings), tools: (tools ?? []).length > 0, signal: stopping };
  };
  return {
    async answers(asked: readonly Question[], options: Options): Promise<Answer[]> {
      const how = speaking(options);
      const prompts = await promptsOf(prompter, asked, options);
      try {
        return await speaker.answers(prompts, how);
      } finally {
        // Whatever a call fails with that is ended from outside, this is why.
        refuseEnded(options.signal);
      }
    },
    async *stream(asked: Question, options: Options = {}): AsyncGenerator<string, Answer> {
      const how = speaking(options);
      const [prompt] = await promptsOf(prompter, [asked], options);
      const answer = yield* speaker.stream(prompt!, how);
      refuseEnded(options.signal);
      return answer;
    },
    async close(): Promise<void> {
      isClosed = true;
      await speaker[Symbol.asyncDispose]();
    },
  };
}

const closed = (where: string): AttuneError =>
  new AttuneError({ code: 'USAGE', where, problem: 'the model is closed', fix: 'load it again' });
