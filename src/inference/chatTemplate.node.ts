/** Which chat template a model is written to with: its own, one that is asked for, or one that its tokens allow. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chatml, plain } from '../data/chat/ownTemplates.ts';
import type { TemplateSource } from '../data/chat/template.ts';
import { AttuneError } from '../errors/index.ts';
import { readJson } from '../files/modelFolder.node.ts';
import type { ModelSource } from './modelFolder.node.ts';

export const TEMPLATE_FILE = 'chat_template.jinja';

type Source = Pick<ModelSource, 'folder' | 'tokenizer' | 'tokenizerFields' | 'configFields'>;

export interface TemplateWish {
  /** `auto`, `chatml`, `plain`, a .jinja file, or the template itself. */
  readonly wished: string;
  /** Conversations offer tools: a model may have another template for them. */
  readonly tools: boolean;
  /** An adapter's folder: it may bring the template that it was trained with. */
  readonly beside?: string | undefined;
}

export async function chatTemplateFor(
  source: Source,
  { wished, tools, beside }: TemplateWish,
): Promise<TemplateSource> {
  const specialTokens = specialTokensOf(source);
  if (wished === 'auto') {
    return (await chatTemplateOf(source, { tools, beside })) ?? { ...fallback(source), specialTokens };
  }
  if (wished === 'chatml' || wished === 'plain') return { ...builtIn(wished), specialTokens };
  const isTemplate = /\{[{%]/.test(wished);
  const text = isTemplate ? wished : await readTemplate(wished);
  return { text, where: isTemplate ? 'data.chat_template' : wished, specialTokens };
}

/** The template that a model or its adapter brings; undefined where neither is for conversations. */
export async function chatTemplateOf(
  source: Source,
  { tools, beside }: Omit<TemplateWish, 'wished'>,
): Promise<TemplateSource | undefined> {
  const own = (beside === undefined ? undefined : await templateFile(beside)) ?? (await ownTemplate(source, tools));
  return own && { ...own, specialTokens: specialTokensOf(source) };
}

/** The model's own, from the places where Transformers looks for it. */
async function ownTemplate({ folder, tokenizerFields }: Source, tools: boolean) {
  const file = await templateFile(folder);
  if (file) return file;
  const json = (await readJson(folder, 'chat_template.json')) as { chat_template?: unknown } | undefined;
  if (typeof json?.chat_template === 'string')
    return { text: json.chat_template, where: join(folder, 'chat_template.json') };
  const { chat_template: given } = tokenizerFields;
  const where = `${join(folder, 'tokenizer_config.json')} chat_template`;
  if (typeof given === 'string') return { text: given, where };
  const named = Array.isArray(given) ? (given as { name?: unknown; template?: unknown }[]) : [];
  const choice = named.find(({ name }) => tools && name === 'tool_use') ?? named.find(({ name }) => name === 'default');
  return typeof choice?.template === 'string' ? { text: choice.template, where } : undefined;
}

async function templateFile(folder: string) {
  const where = join(folder, TEMPLATE_FILE);
  try {
    return { text: await readFile(where, 'utf8'), where };
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? '';
    // A .gguf file has nothing beside it.
    if (['ENOENT', 'ENOTDIR'].includes(code)) return undefined;
    const problem = `the chat template is there, and cannot be read (${code})`;
    const fix = 'make it a file that may be read, or remove it';
    throw new AttuneError({ code: 'CHAT_TEMPLATE', where, problem, fix }, { cause });
  }
}

const builtIn = (name: 'chatml' | 'plain') => ({
  text: name === 'chatml' ? chatml : plain,
  where: `template '${name}'`,
});

/** ChatML where the tokenizer has its two tokens as tokens; else plain words, and the end of a text after an answer. */
function fallback({ folder, tokenizer }: Source) {
  const isToken = (text: string): boolean => tokenizer.ids(text).length === 1;
  if (isToken('<|im_start|>') && isToken('<|im_end|>')) return builtIn('chatml');
  if (tokenizer.eosTokenId !== undefined) return builtIn('plain');
  throw new AttuneError({
    code: 'CHAT_TEMPLATE',
    where: folder,
    problem: 'the model has no chat template, and its tokenizer names no eos_token to end an answer with',
    fix: 'give a template with data.chat_template: a .jinja file',
  });
}

async function readTemplate(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    const problem = `there is no template '${path}', and no file of that name`;
    const fix = 'give auto, chatml, plain, or a .jinja file';
    throw new AttuneError({ code: 'CONFIG_INVALID', where: 'data.chat_template', problem, fix }, { cause });
  }
}

/** `bos_token` and its like as texts, as templates name them. */
function specialTokensOf({ tokenizerFields }: Source): Record<string, string> {
  const texts = Object.entries(tokenizerFields).flatMap(([name, value]): [string, string][] => {
    const text = typeof value === 'object' && value !== null ? Reflect.get(value, 'content') : value;
    return /^[a-z]+_token$/.test(name) && typeof text === 'string' ? [[name, text]] : [];
  });
  return Object.fromEntries(texts);
}

/** The tokens that the model stops at by itself. */
export async function endTokenIds({ folder, tokenizer, configFields }: Source): Promise<ReadonlySet<number>> {
  const generation = (await readJson(folder, 'generation_config.json')) as Record<string, unknown> | undefined;
  const named = [generation?.['eos_token_id'], configFields['eos_token_id'], tokenizer.eosTokenId].flat();
  return new Set(named.filter((id): id is number => typeof id === 'number'));
}
