/** Loss and perplexity of a language model on texts, or on the answers of conversations. */
import { availableParallelism } from 'node:os';
import { chatRows, openTemplate } from '../data/chat/index.ts';
import { type Problems, throwProblems } from '../data/index.ts';
import { textRows } from '../data/text/textRows.ts';
import type { TokenRow, TokenRows } from '../data/text/tokenRow.ts';
import { AttuneError } from '../errors/index.ts';
import {
  askForCalls,
  callingTurns,
  evaluateLanguageModel,
  learnedTurns,
  type Metrics,
  toolCallAccuracy,
} from '../evaluation/index.ts';
import { callsIn } from '../evaluation/toolCalls.ts';
import { chatTemplateFor } from '../inference/chatTemplate.node.ts';
import { openDecoder } from '../inference/generation/index.ts';
import { type LanguageModel, openLanguageModel } from '../inference/languageModel.node.ts';
import { type ModelSource, readModelFolder, usableLength } from '../inference/modelFolder.node.ts';
import { positionsOf } from '../methods/index.ts';
import { languageModelOf } from '../models/index.ts';
import { answerEnds } from './answerEnds.node.ts';
import { expectTemplate } from './expectTemplate.ts';
import { noData } from './noData.ts';
import { ownRows } from './ownData.node.ts';
import type { Recipe } from './schema/index.ts';
import { usualOf } from './schema/parseRecipe.ts';
import type { Target } from './target.node.ts';
import { readFiles } from './train/prepareData.node.ts';
import { textReading } from './train/tasks/causalLm.node.ts';
import type { Reading } from './train/tasks/languageData.node.ts';
import { chatReading } from './train/tasks/sft.node.ts';

const TOKENS_AT_ONCE = 1024;
const BATCH = 64;

interface Wish {
  readonly reference: string;
  readonly data: readonly string[] | undefined;
  readonly signal: AbortSignal;
}

/** Every row is read before a weight is opened. */
export async function evaluateLanguage(target: Target, { reference, data, signal }: Wish) {
  const { recipe, artifact } = target;
  const source = await readModelFolder(artifact.folder);
  languageModelOf(source.description);
  const found = await languageRows(target, source, data);
  if (!found) throw noData(reference);
  const { rows, ...cuts } = found;
  const opening = { threads: availableParallelism(), source, longest: found.maxLength };
  await using model = await openLanguageModel(artifact, opening);
  const metrics = await measureLanguage(rows, {
    model,
    batchSize: recipe?.evaluation.per_device_eval_batch_size ?? BATCH,
    signal,
  });
  const called = await calledRight(rows, { model, target, signal });
  return { metrics: { ...metrics, ...called }, examples: rows.length, ...cuts };
}

interface Measuring {
  readonly model: Pick<LanguageModel, 'scorer' | 'source'>;
  readonly batchSize?: number;
  readonly signal: AbortSignal;
}

export async function measureLanguage(
  rows: readonly TokenRow[],
  { model: { scorer, source }, batchSize = BATCH, signal }: Measuring,
): Promise<Metrics> {
  const { metrics } = await evaluateLanguageModel(
    rows.map((row) => ({ ...row, label: -100 })),
    { scorer, padTokenId: source.tokenizer.padTokenId, batchSize, tokensAtOnce: TOKENS_AT_ONCE, signal },
  );
  return metrics;
}

/** Rows as a model reads them, and what it does not read of them. */
export interface LanguageRows {
  readonly rows: readonly TokenRow[];
  /** Rows that were cut to `maxLength` tokens, and those that had nothing left to measure. */
  readonly truncated: number;
  readonly dropped: number;
  readonly maxLength: number;
}

/** Rows of the files that are given, or a run's own, as the model learned to read them; undefined where there are none. */
export async function languageRows(
  target: Target,
  source: ModelSource,
  data: readonly string[] | undefined,
): Promise<LanguageRows | undefined> {
  const { run, recipe } = target;
  const columns = { columns: recipe?.data.columns, format: recipe?.data.format ?? 'auto' } as Recipe['data'];
  async function examplesOf<Example>(reading: Reading<Example>): Promise<readonly Example[] | undefined> {
    if (data) return await readFiles(data, reading.read, reading.example);
    return run && recipe ? await ownRows(run, recipe, reading) : undefined;
  }
  const encoding = { source, target };
  if (await isOfTexts(target, data)) {
    const texts = await examplesOf(textReading(columns));
    return texts && textsAsRows(texts, encoding);
  }
  const chats = await examplesOf(chatReading(columns));
  return chats && (await chatsAsRows(chats, encoding));
}

interface Calling {
  readonly model: LanguageModel;
  readonly target: Target;
  readonly signal: AbortSignal;
}

/** Rows that call tools are answered too; nothing is opened where there are none. */
async function calledRight(rows: readonly TokenRow[], { model, target, signal }: Calling): Promise<Partial<Metrics>> {
  const { source, memory, methods, form, open } = model;
  const { tokenizer } = source;
  if (!rows.some(({ inputIds }) => callsIn(tokenizer.decode(inputIds)).length > 0)) return {};
  const threads = availableParallelism();
  await using decoder = await openDecoder(source.description, { memory, methods, ...form, open, threads });
  const endIds = await answerEnds(source, target.adapter);
  const called = await askForCalls(callingTurns(learnedTurns(rows), tokenizer, decoder), { decoder, endIds, signal });
  const accuracy = toolCallAccuracy(called, tokenizer);
  return accuracy === undefined ? {} : { tool_call_accuracy: accuracy };
}

/** As it was trained; else by the columns of the data. */
async function isOfTexts({ recipe, adapter }: Target, data: readonly string[] | undefined): Promise<boolean> {
  const task = recipe?.task ?? adapter?.manifest?.task;
  if (task !== undefined || !data) return task === 'causal-lm';
  const columns = await readFiles(data, (rows) => ({
    found: rows.slice(0, 1).map(({ values }) => Object.keys(values)),
    problems: [],
    problemCount: 0,
  }));
  return columns.every((names) => names.includes('text') && !names.includes('messages'));
}

interface Encoding {
  readonly source: ModelSource;
  readonly target: Target;
}

const lengthOf = ({ source, target }: Encoding): number =>
  usableLength(target.maxLength, source, {
    usual: usualOf(target.recipe?.task ?? 'sft').maxLength,
    taken: target.adapter ? positionsOf(target.adapter.method) : 0,
  });

function textsAsRows(texts: Parameters<typeof textRows>[0], encoding: Encoding): LanguageRows {
  return asRows(encoding, (maxLength) => textRows(texts, { tokenizer: encoding.source.tokenizer, maxLength }));
}

async function chatsAsRows(conversations: Parameters<typeof chatRows>[0], encoding: Encoding): Promise<LanguageRows> {
  const { source, target } = encoding;
  const { artifact, recipe, run } = target;
  const tools = conversations.some((one) => one.tools.length > 0);
  const beside = artifact.adapter?.folder;
  const began = typeof run?.['started_at'] === 'string' ? new Date(run['started_at']) : new Date();
  const written = await chatTemplateFor(source, { wished: 'auto', tools, beside });
  expectTemplate(target.adapter, written);
  const template = openTemplate(written, began);
  const onEmptyLabels = recipe?.data.on_empty_labels ?? 'error';
  const options = { template, tokenizer: source.tokenizer, onEmptyLabels };
  return asRows(encoding, (maxLength) => chatRows(conversations, { ...options, maxLength }));
}

function asRows(
  encoding: Encoding,
  encode: (maxLength: number) => Pick<TokenRows<unknown>, 'rows' | 'facts'> & Problems,
): LanguageRows {
  const maxLength = lengthOf(encoding);
  const found = encode(maxLength);
  throwProblems(found);
  const { rows, facts } = found;
  const { truncated, dropped } = facts;
  if (rows.length === 0 && dropped > 0) throw nothingLeft(dropped, maxLength);
  return { rows, truncated, dropped, maxLength };
}

function nothingLeft(rows: number, maxLength: number): AttuneError {
  const problem = `of all ${rows} rows the first ${maxLength} tokens hold no answer`;
  return new AttuneError({ code: 'DATA_NO_LABELS', where: 'data', problem, fix: 'give shorter conversations' });
}
