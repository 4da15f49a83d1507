/** The template beside an adapter is the one that it learned with, or its answers would be worse without a word. */
import { createHash } from 'node:crypto';
import type { TemplateSource } from '../data/chat/index.ts';
import { AttuneError } from '../errors/index.ts';
import type { Adapter } from '../store/adapters/index.ts';

export const templateHash = ({ text }: Pick<TemplateSource, 'text'>): string =>
  createHash('sha256').update(text).digest('hex');

export function expectTemplate(adapter: Adapter | undefined, template: TemplateSource | undefined): void {
  const learned = adapter?.manifest?.chat?.template_sha256;
  if (learned === undefined || (template && templateHash(template) === learned)) return;
  throw new AttuneError({
    code: 'ADAPTER_MISMATCH',
    where: template?.where ?? adapter!.folder,
    problem: template
      ? 'it is not the chat template that the adapter was trained with'
      : 'the chat template that the adapter was trained with is missing',
    fix: 'use the folder as it was saved, with its chat_template.jinja',
  });
}
