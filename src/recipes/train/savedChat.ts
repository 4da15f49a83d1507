/** What a model that was tuned on conversations is saved with: the very template, and the tokens that end an answer. */
import { createHash } from 'node:crypto';
import { TEMPLATE_FILE } from '../../inference/chatTemplate.node.ts';
import type { Manifest } from '../../store/adapters/index.ts';
import type { ChatFacts } from './tasks/chatFacts.ts';
import type { Running } from './train.node.ts';

/** Whoever opens the folder writes conversations as they were learned. */
export const chatFiles = ({ data }: Pick<Running, 'data'>): Readonly<Record<string, string>> =>
  data.chat ? { [TEMPLATE_FILE]: data.chat.template.text } : {};

export const chatNotes = ({ template, endTokenIds }: ChatFacts): NonNullable<Manifest['chat']> => ({
  template_sha256: createHash('sha256').update(template.text).digest('hex'),
  end_token_ids: [...endTokenIds],
});
