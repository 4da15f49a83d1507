/** Whole data files, checked as training would check them, and what is in them. No model is read. */
import { expandPaths, openTextFile } from '../../data/index.node.ts';
import {
  type ClassCount,
  type Compared,
  checkRows,
  comparedText,
  type DataProblem,
  type DuplicateCounts,
  duplicateCounts,
  type Leak,
  leakage,
  type Problems,
} from '../../data/index.ts';
import { listed, problemOf } from '../../data/problems.ts';
import type { Recipe } from '../schema/index.ts';
import { type Lengths, textLengths } from '../textLengths.ts';
import type { ReadRows, TaskWishes, TurnCounts } from './task.ts';
import { type CheckedTaskName, checkedTasks } from './tasks.ts';

export type DataUse = 'train' | 'validation' | 'test';

export interface CheckedFile extends Problems {
  readonly path: string;
  /** What a recipe takes it for. */
  readonly use?: DataUse;
  /** Rows that could be read; those with a problem of their own are among them. */
  readonly rows: number;
  /** Of classification; other tasks have none. */
  readonly labels: readonly ClassCount[];
  /** Of conversations. */
  readonly turns?: TurnCounts | undefined;
  readonly duplicates: DuplicateCounts;
  /** Undefined where no row has a text. */
  readonly characters: Lengths | undefined;
}

/** What is allowed, but makes figures say less than they seem to. */
export interface DataWarning {
  readonly where: string;
  readonly problem: string;
  readonly fix: string;
}

export interface DataCheck {
  readonly files: readonly CheckedFile[];
  readonly warnings: readonly DataWarning[];
  /** Without problems; warnings do not count. */
  readonly ok: boolean;
}

export interface FileWishes extends TaskWishes {
  readonly task: CheckedTaskName;
  readonly signal: AbortSignal;
}

/** Files by themselves. Nothing says which of them are learned from, so each may have labels of its own. */
export async function checkFiles(paths: readonly string[], wishes: FileWishes): Promise<DataCheck> {
  const read = await readAll(paths, wishes);
  const isSound = read.every(({ file }) => file.problemCount === 0);
  const warning = isSound && checkedTasks[wishes.task].warning?.(read.flatMap(({ examples }) => examples));
  return resultOf(read, warning ? [{ where: read[0]!.file.path, ...warning }] : []);
}

/** The files of a recipe, each by itself and against the training data. */
export async function checkRecipeData({ task, data }: Recipe, signal: AbortSignal): Promise<DataCheck> {
  const wishes = { task, columns: data.columns, format: data.format, labels: 'required', signal } as const;
  const train = await readAll(data.train, { ...wishes, use: 'train' });
  const held = [
    ...(await readAll(data.validation ?? [], { ...wishes, use: 'validation' })),
    ...(await readAll(data.test ?? [], { ...wishes, use: 'test' })),
  ];
  const examples = train.flatMap((one) => one.examples);
  // What a broken training file lacks would only be told again as a fault of all others.
  if (train.some(({ file }) => file.problemCount > 0)) return resultOf([...train, ...held], []);
  const { training, held: checkHeld } = checkedTasks[task];
  const trained = train.map((one, i) => (i === 0 && training ? withProblems(one, training(examples, data)) : one));
  const compared = held.map((one) => (checkHeld ? withProblems(one, checkHeld(one.examples, examples)) : one));
  return resultOf(
    [...trained, ...compared],
    held.flatMap((one) => leakWarning(one, leakage(examples, one.examples))),
  );
}

interface ReadFile {
  readonly file: CheckedFile;
  readonly examples: readonly Compared[];
}

async function readAll(
  paths: readonly string[],
  wishes: FileWishes & { readonly use?: DataUse },
): Promise<readonly ReadFile[]> {
  const read = new Map<string, ReadFile>();
  for (const path of paths) {
    const files = await expandPaths([path]).catch((error) => problemOf(error));
    if (!Array.isArray(files)) read.set(path, unreadFile(path, files, wishes.use));
    else for (const file of files) if (!read.has(file)) read.set(file, await readFile(file, wishes));
  }
  return [...read.values()];
}

async function readFile(path: string, { task, signal, use, ...wishes }: FileWishes & { use?: DataUse }) {
  signal.throwIfAborted();
  const source = await openTextFile(path).catch((error) => problemOf(error));
  if ('code' in source) return unreadFile(path, source, use);
  const { rows, ...unread } = await checkRows(source, checkedTasks[task].example);
  const { examples, labels = [], turns, ...unusable }: ReadRows = checkedTasks[task].read(rows, wishes);
  const file: CheckedFile = {
    path,
    ...(use && { use }),
    rows: rows.length,
    ...joined(unread, unusable),
    labels,
    ...(turns && { turns }),
    duplicates: duplicateCounts(examples.map(comparedText)),
    characters: textLengths(examples.map(({ text, pair = '' }) => text + pair)),
  };
  return { file, examples };
}

function unreadFile(path: string, problem: DataProblem, use: DataUse | undefined): ReadFile {
  const none = { rows: 0, labels: [], duplicates: { exact: 0, near: 0 }, characters: undefined };
  return { file: { path, ...(use && { use }), ...none, problems: [problem], problemCount: 1 }, examples: [] };
}

/** In the order of the lines; those of the whole file come first. */
const joined = (a: Problems, b: Problems): Problems => ({
  problems: [...a.problems, ...b.problems].sort((one, other) => (one.line ?? 0) - (other.line ?? 0)),
  problemCount: a.problemCount + b.problemCount,
});

const withProblems = (read: ReadFile, more: Problems): ReadFile => ({
  ...read,
  file: { ...read.file, ...joined(read.file, more) },
});

function leakWarning({ file }: ReadFile, leaks: readonly Leak[]): DataWarning[] {
  if (leaks.length === 0) return [];
  const exact = leaks.filter(({ kind }) => kind === 'exact').length;
  const pairs = leaks.map(({ train, validation }) => `${validation} is like ${train}`);
  return [
    {
      where: file.path,
      problem:
        `${leaks.length} of ${file.rows} rows repeat a training row (${exact} the same, ${leaks.length - exact} ` +
        `nearly): ${listed(pairs, 3)}`,
      fix: 'remove them on one side: they measure memory rather than learning',
    },
  ];
}

function resultOf(read: readonly ReadFile[], warnings: readonly DataWarning[]): DataCheck {
  const files = read.map(({ file }) => file);
  return { files, warnings, ok: files.every(({ problemCount }) => problemCount === 0) };
}
