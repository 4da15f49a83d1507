/** Where an answer ends: at the tokens that the model stops at, and those that its adapter learned or names. */
import { endTokenIds, endTokensBeside } from '../inference/chatTemplate.node.ts';
import type { ModelSource } from '../inference/modelFolder.node.ts';
import type { Adapter } from '../store/adapters/index.ts';

export async function answerEnds(source: ModelSource, adapter: Adapter | undefined): Promise<number[]> {
  const named = adapter ? await endTokensBeside(adapter.folder, source) : [];
  const learned = adapter?.manifest?.chat?.end_token_ids ?? [];
  return [...new Set([...(await endTokenIds(source)), ...named, ...learned])];
}
