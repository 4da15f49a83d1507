/** Rows as a model reads them: every token, and whether it is learned or only read. No weight is opened. */
import { IGNORED } from '../data/batch.ts';
import type { Tokenizer } from '../data/tokenizer.ts';
import { AttuneError } from '../errors/index.ts';
import { fetchModel } from '../store/index.ts';
import type { Recipe } from './schema/index.ts';
import { startOf } from './start.node.ts';
import { runTasks } from './train/tasks/index.ts';

/** Mostly one token; several where a character is spread over them. */
export interface PreviewPiece {
  readonly ids: readonly number[];
  readonly text: string;
  readonly learned: boolean;
  readonly special: boolean;
}

export interface PreviewRow {
  /** `path:line` */
  readonly where: string;
  readonly tokens: number;
  readonly learned: number;
  readonly pieces: readonly PreviewPiece[];
}

export interface Preview {
  readonly task: string;
  /** Where the chat template came from; null for plain texts. */
  readonly template: string | null;
  readonly rows: readonly PreviewRow[];
  /** All training rows, of which these are the first. */
  readonly count: number;
  readonly truncated: number;
  readonly dropped: number;
  /** Answers that are cut before the token that ends them. */
  readonly lostEnds: number;
  readonly maxLength: number;
}

export async function previewData(recipe: Recipe, shown: number, signal: AbortSignal): Promise<Preview> {
  if (recipe.task === 'text-classification') throw noTokensLearned(recipe.task);
  const local = await fetchModel(recipe.model, { signal });
  const start = await startOf(recipe, local, signal);
  const data = await runTasks[recipe.task].prepare(recipe, start, new Date());
  const { rows, examples, truncated, dropped } = data.train;
  return {
    task: recipe.task,
    template: data.chat?.template.where ?? null,
    rows: rows.slice(0, shown).map(({ inputIds, labels = [] }, i) => ({
      where: examples[i]!.where,
      tokens: inputIds.length,
      learned: labels.filter((label) => label !== IGNORED).length,
      pieces: piecesOf(inputIds, labels, start.source.tokenizer),
    })),
    count: rows.length,
    truncated,
    dropped,
    lostEnds: data.chat?.lengths.lostEnds ?? 0,
    maxLength: data.maxLength,
  };
}

const MOST_TOKENS_OF_A_CHARACTER = 8;

function piecesOf(ids: readonly number[], labels: readonly number[], tokenizer: Tokenizer): PreviewPiece[] {
  const pieces: PreviewPiece[] = [];
  for (let start = 0; start < ids.length; ) {
    const learned = labels[start] !== IGNORED;
    let end = start + 1;
    let text = textOf(ids, { start, end }, tokenizer);
    const mayGrow = () =>
      end < ids.length && end - start < MOST_TOKENS_OF_A_CHARACTER && (labels[end] !== IGNORED) === learned;
    while (text.endsWith('�') && mayGrow()) {
      end += 1;
      text = textOf(ids, { start, end }, tokenizer);
    }
    const special = end === start + 1 && tokenizer.specialIds.has(ids[start]!);
    pieces.push({ ids: ids.slice(start, end), text, learned, special });
    start = end;
  }
  return pieces;
}

/** Decoded beside the token before: alone, some tokenizers drop the space that a word begins with. */
function textOf(ids: readonly number[], { start, end }: { start: number; end: number }, { decode }: Tokenizer): string {
  if (start === 0) return decode(ids.slice(0, end));
  const before = decode(ids.slice(start - 1, start));
  const both = decode(ids.slice(start - 1, end));
  return both.startsWith(before) ? both.slice(before.length) : decode(ids.slice(start, end));
}

function noTokensLearned(task: string): AttuneError {
  const problem = `${task} learns one label a text, and no tokens`;
  const fix = 'attune data check --recipe RECIPE shows its labels';
  return new AttuneError({ code: 'USAGE', where: 'attune data preview', problem, fix });
}
