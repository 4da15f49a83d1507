/** What a model that was tuned on conversations is saved with: the very template, and the tokens that end an answer. */
import { TEMPLATE_FILE } from '../../../inference/chatTemplate.node.ts';
import type { Manifest } from '../../../store/adapters/index.ts';
import { templateHash } from '../../expectTemplate.ts';
import type { ChatFacts } from '../tasks/chatFacts.ts';
import type { Running } from '../train.node.ts';

/** Whoever opens the folder writes conversations as they were learned, and stops where answers end. */
export function chatFiles({ data }: Pick<Running, 'data'>): Readonly<Record<string, string>> {
  if (!data.chat) return {};
  const { template, unknownEnds, stopIds, endTokenIds, generation } = data.chat;
  const ends = { ...generation, eos_token_id: [...new Set([...stopIds, ...endTokenIds])] };
  return {
    [TEMPLATE_FILE]: template.text,
    ...(unknownEnds.length > 0 && { 'generation_config.json': `${JSON.stringify(ends, null, 2)}\n` }),
  };
}

export const chatNotes = ({
  template,
  endTokenIds,
}: Pick<ChatFacts, 'template' | 'endTokenIds'>): NonNullable<Manifest['chat']> => ({
  template_sha256: templateHash(template),
  end_token_ids: [...endTokenIds],
});
