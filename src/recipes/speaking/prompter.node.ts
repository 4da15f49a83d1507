/** How a target is asked: its tokenizer, its chat template, the tokens that end its answers. No weight is opened. */
import { type ChatTemplate, type Conversation, openTemplate } from '../../data/chat/index.ts';
import type { Rendered } from '../../data/chat/template.ts';
import { unwritten } from '../../data/chat/unwritten.ts';
import { excerpt } from '../../data/problems.ts';
import type { Tokenizer } from '../../data/tokenizer.ts';
import { AttuneError } from '../../errors/index.ts';
import { chatTemplateOf } from '../../inference/chatTemplate.node.ts';
import { type GenerationSettings, refuseUnknownTokens } from '../../inference/generation/index.ts';
import { type ModelSource, readModelFolder } from '../../inference/modelFolder.node.ts';
import { positionsOf } from '../../methods/index.ts';
import { languageModelOf } from '../../models/index.ts';
import { answerEnds } from '../answerEnds.node.ts';
import { expectTemplate } from '../expectTemplate.ts';
import { isLanguageModel } from '../kindOf.node.ts';
import type { Target } from '../target.node.ts';

/** Tokens that a model goes on from. */
export type Prompt = readonly number[];

export interface Prompter {
  readonly source: ModelSource;
  /** The model knows conversations. */
  readonly isChat: boolean;
  /** Refuses one that does not. */
  expectChat(): void;
  /** Refuses settings that its tokens do not bear. */
  expectSettings(settings: GenerationSettings): void;
  readonly endIds: readonly number[];
  /** A conversation as the model learned to read it, up to where its answer begins. */
  conversation(asked: Asked): Promise<Prompt>;
  /** A text as it stands; `where` names it in errors. */
  text(text: string, where?: string): Prompt;
}

export interface Asked extends Pick<Conversation, 'messages' | 'where'> {
  readonly tools?: Conversation['tools'];
  /** Lets a model that can think do so before it answers. */
  readonly think?: boolean | undefined;
}

interface Prompting {
  /** Names the target in errors. */
  readonly reference: string;
  /** What was read of the model's folder; left out, it is read. */
  readonly source?: ModelSource;
}

export async function openPrompter(target: Target, { reference, source: read }: Prompting): Promise<Prompter> {
  const { artifact, adapter } = target;
  const source = read ?? (await readModelFolder(artifact.folder));
  languageModelOf(source.description);
  if (!(await isLanguageModel(target))) throw isClassifier(reference);
  const { tokenizer } = source;
  const now = new Date();
  const taken = adapter ? positionsOf(adapter.method) : 0;
  const room = source.description.config.max_position_embeddings - taken;
  const opened = async (tools: boolean): Promise<ChatTemplate | undefined> => {
    const written = await chatTemplateOf(source, { tools, beside: artifact.adapter?.folder });
    expectTemplate(adapter, written);
    return written && openTemplate(written, now);
  };
  const plain = await opened(false);
  const endIds = await answerEnds(source, adapter);
  return {
    source,
    isChat: plain !== undefined,
    expectChat() {
      if (!plain) throw noChat(reference);
    },
    expectSettings: (settings) => refuseUnknownTokens(settings, source.description.config.vocab_size),
    endIds,
    async conversation(asked) {
      const template = asked.tools?.length ? await opened(true) : plain;
      if (!template) throw noChat(reference);
      return usable(tokenizer.ids(rendered(template, asked)), asked.where, room);
    },
    text: (text, where = 'prompt') => usable(begun(tokenizer.ids(text), tokenizer), where, room),
  };
}

/** With what the tokenizer begins texts with, where that is not written in the text already. */
function begun(ids: readonly number[], { around: { before } }: Tokenizer): Prompt {
  return before.every((id, at) => ids[at] === id) ? ids : [...before, ...ids];
}

function rendered(template: ChatTemplate, { messages, tools = [], think = false, where }: Asked): string {
  const written = render(template, { messages, tools, think, where });
  if (written.text === '') {
    const fix = `mend ${template.source.where}`;
    throw new AttuneError({ code: 'CHAT_TEMPLATE', where, problem: 'the chat template writes nothing of it', fix });
  }
  // Thoughts of earlier turns are passed over by templates that think. Every turn is only read.
  const spoken = messages.map(({ reasoning_content: _, ...message }) =>
    message.role === 'assistant' ? { ...message, weight: 0 as const } : message,
  );
  const again = (changed: Pick<Conversation, 'messages' | 'tools'>) => {
    const thought = changed.messages.map((message, index) => ({ ...messages[index]!, ...message }));
    return template.render({ messages: thought, tools: changed.tools, ...told(think) });
  };
  const lost = unwritten({ messages: spoken, tools }, { written, again });
  if (lost) throw new AttuneError({ ...lost, where });
  return written.text;
}

const told = (think: boolean | undefined) => ({ addGenerationPrompt: true, enableThinking: think ?? false });

function render(template: ChatTemplate, { messages, tools, think, where }: Required<Asked>): Rendered {
  try {
    return template.render({ messages, tools, ...told(think) });
  } catch (failure) {
    const problem = `the chat template refuses it: ${excerpt((failure as Error).message)}`;
    const fix = `change the conversation as ${template.source.where} wants it`;
    throw new AttuneError({ code: 'CHAT_TEMPLATE', where, problem, fix }, { cause: failure });
  }
}

/** There is something to go on from, and room to go on. */
function usable(prompt: Prompt, where: string, room: number): Prompt {
  const longest = room - 1;
  if (prompt.length > 0 && prompt.length <= longest) return prompt;
  const isEmpty = prompt.length === 0;
  throw new AttuneError({
    code: 'PROMPT_LENGTH',
    where,
    problem: isEmpty ? 'it has no tokens' : `it has ${prompt.length} tokens, and the model has positions for ${room}`,
    fix: isEmpty ? 'give a text' : `give at most ${longest} tokens`,
  });
}

function isClassifier(where: string): AttuneError {
  const problem = 'it was trained to choose labels, and writes no text';
  return new AttuneError({ code: 'MODEL_TASK', where, problem, fix: `call: attune predict ${where} TEXT` });
}

function noChat(where: string): AttuneError {
  const problem = 'it knows no conversations: there is no chat template beside it';
  const fix = 'use attune generate, or tune it with task: sft';
  return new AttuneError({ code: 'CHAT_TEMPLATE', where, problem, fix });
}
