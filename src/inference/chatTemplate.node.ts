/** Which chat template a model is written to with: its own, one that is asked for, or one that its tokens allow. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { chatml, plain } from '../data/chat/ownTemplates.ts';
import type { TemplateSource } from '../data/chat/template.ts';
import { AttuneError } from '../errors/index.ts';
import { readJson } from '../files/modelFolder.node.ts';
import type { ModelSource } from './modelFolder.node.ts';

export const TEMPLATE_FILE = 'chat_template.jinja';
export const TEMPLATE_JSON = 'chat_template.json';
export const TOKENIZER_CONFIG = 'tokenizer_config.json';

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
  const specialTokens = specialTokensOf(source);
  const own = beside === undefined ? undefined : await chatBeside(beside);
  const brought = own && chosen(own.template, tools);
  if (brought) return { ...brought, specialTokens: { ...specialTokens, ...otherTokens(own, source) } };
  const template = await givenTemplate(source);
  const text = template && chosen(template, tools);
  return text && { ...text, specialTokens };
}

/** A template as it is written down: one text, or several with names. */
interface Given {
  readonly given: string | readonly Named[];
  readonly where: string;
}

interface Named {
  readonly name?: unknown;
  readonly template?: unknown;
}

type Place = Pick<Source, 'folder' | 'tokenizerFields'>;

/** What an adapter's folder says of conversations: its template, and fields of the tokenizer that it was trained with. */
export async function chatBeside(folder: string): Promise<(Place & { readonly template: Given }) | undefined> {
  const tokenizerFields = ((await readJson(folder, TOKENIZER_CONFIG)) ?? {}) as Place['tokenizerFields'];
  const place = { folder, tokenizerFields };
  const template = await givenTemplate(place);
  return template && { ...place, template };
}

/** From the places where Transformers looks for it. */
async function givenTemplate({ folder, tokenizerFields }: Place): Promise<Given | undefined> {
  const file = await templateFile(folder);
  if (file) return file;
  const json = (await readJson(folder, TEMPLATE_JSON)) as { chat_template?: unknown } | undefined;
  if (typeof json?.chat_template === 'string') return { given: json.chat_template, where: join(folder, TEMPLATE_JSON) };
  const { chat_template: given } = tokenizerFields;
  const where = `${join(folder, TOKENIZER_CONFIG)} chat_template`;
  if (typeof given === 'string') return { given, where };
  return Array.isArray(given) && chosen({ given, where }, true) ? { given, where } : undefined;
}

/** Of several the one for conversations that offer tools, or the usual one. */
function chosen(
  { given, where }: Given,
  tools: boolean,
): { readonly text: string; readonly where: string } | undefined {
  if (typeof given === 'string') return { text: given, where };
  const choice = given.find(({ name }) => tools && name === 'tool_use') ?? given.find(({ name }) => name === 'default');
  return typeof choice?.template === 'string' ? { text: choice.template, where } : undefined;
}

async function templateFile(folder: string): Promise<Given | undefined> {
  const where = join(folder, TEMPLATE_FILE);
  try {
    return { given: await readFile(where, 'utf8'), where };
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
const specialTokensOf = ({ tokenizerFields }: Pick<Place, 'tokenizerFields'>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(tokenizerFields).flatMap(([name, value]): [string, string][] => {
      const text = typeof value === 'object' && value !== null ? Reflect.get(value, 'content') : value;
      return /^[a-z]+_token$/.test(name) && typeof text === 'string' ? [[name, text]] : [];
    }),
  );

/** The template as it is saved without its tokenizer: it says itself what its tokens are, where the model names others. */
export function standingAlone(template: TemplateSource, source: Source): TemplateSource {
  const said = namedOtherwise(template.specialTokens, source).map(
    ([name, text]) => `{% set ${name} = ${JSON.stringify(text)} %}`,
  );
  return { ...template, text: `${said.join('')}${template.text}` };
}

/** Those that an adapter names otherwise than its base, which knows them as tokens. */
export function otherTokens(chat: Pick<Place, 'tokenizerFields'>, source: Source): Record<string, string> {
  const other = namedOtherwise(specialTokensOf(chat), source);
  return Object.fromEntries(other.filter(([, text]) => source.tokenizer.ids(text).length === 1));
}

function namedOtherwise(tokens: Readonly<Record<string, string>>, source: Source): [string, string][] {
  const known = specialTokensOf(source);
  return Object.entries(tokens).filter(([name, text]) => text !== known[name]);
}

/** The tokens that the model stops at by itself. */
export async function endTokenIds({ folder, tokenizer, configFields }: Source): Promise<ReadonlySet<number>> {
  return numbers([...(await namedEnds(folder)), configFields['eos_token_id'], tokenizer.eosTokenId].flat());
}

/** Those that an adapter's folder names: of its own tokenizer, if it brings a template, and of its own way to write. */
export async function endTokensBeside(folder: string, source: Source): Promise<ReadonlySet<number>> {
  const chat = await chatBeside(folder);
  const { eos_token: text } = chat ? otherTokens(chat, source) : {};
  return numbers([...(await namedEnds(folder)), ...(text === undefined ? [] : source.tokenizer.ids(text))]);
}

async function namedEnds(folder: string): Promise<readonly unknown[]> {
  const generation = (await readJson(folder, 'generation_config.json')) as Record<string, unknown> | undefined;
  return [generation?.['eos_token_id']].flat();
}

const numbers = (named: readonly unknown[]): ReadonlySet<number> =>
  new Set(named.filter((id): id is number => typeof id === 'number'));
