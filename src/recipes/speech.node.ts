/** How a language model is spoken to: the template that it or its adapter learned with, and the tokens that end its answers. */
import { type ChatTemplate, openTemplate } from '../data/chat/index.ts';
import { chatTemplateOf, endTokenIds } from '../inference/chatTemplate.node.ts';
import type { ModelSource } from '../inference/modelFolder.node.ts';
import type { Adapter } from '../store/adapters/index.ts';
import { expectTemplate } from './expectTemplate.ts';

export interface Speech {
  /** Undefined where it knows no conversations. */
  readonly template: ChatTemplate | undefined;
  readonly endIds: readonly number[];
}

export async function openSpeech(source: ModelSource, adapter: Adapter | undefined): Promise<Speech> {
  const written = await chatTemplateOf(source, { tools: false, beside: adapter?.folder });
  expectTemplate(adapter, written);
  const ends = adapter?.manifest?.chat?.end_token_ids ?? [];
  return {
    template: written && openTemplate(written, new Date()),
    endIds: [...new Set([...(await endTokenIds(source)), ...ends])],
  };
}
