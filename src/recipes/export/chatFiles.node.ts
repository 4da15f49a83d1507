/** What an adapter was trained to read conversations with goes where the adapter goes. */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import {
  chatBeside,
  otherTokens,
  TEMPLATE_FILE,
  TEMPLATE_JSON,
  TOKENIZER_CONFIG,
} from '../../inference/chatTemplate.node.ts';
import type { ModelSource } from '../../inference/modelFolder.node.ts';
import type { Adapter } from '../../store/adapters/index.ts';
import { writeJson } from '../../store/runs/atomic.node.ts';
import { copyTokenizer, writeTexts } from '../../store/runs/index.ts';
import { copyFiles } from './adapters/adapterFiles.node.ts';

const ENDS = /^generation_config\.json$/;

/** Beside another adapter. Where tokenizer_config.json has the template, other programs open the tokenizer that it names, too. */
export async function copyChat({ folder: from }: Adapter, folder: string): Promise<void> {
  if (await chatBeside(from)) await copyTokenizer(from, folder);
  else await copyFiles(from, folder, ENDS);
}

/** Into a whole model's folder, in the place of what came with the base. */
export async function foldChat({ folder: from }: Adapter, source: ModelSource, folder: string): Promise<void> {
  await copyFiles(from, folder, ENDS);
  const chat = await chatBeside(from);
  if (!chat) return;
  const { given } = chat.template;
  for (const name of [TEMPLATE_FILE, TEMPLATE_JSON]) await rm(join(folder, name), { force: true });
  if (typeof given === 'string') await writeTexts(folder, { [TEMPLATE_FILE]: given });
  // Several templates with names have no other place.
  const named = typeof given !== 'string' && { chat_template: given };
  const fields = { ...otherTokens(chat, source), ...named };
  if (Object.keys(fields).length === 0) return;
  await writeJson(join(folder, TOKENIZER_CONFIG), { ...source.tokenizerFields, ...fields });
}
