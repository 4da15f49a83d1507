/** Whole data files, checked as training would check them, and what is in them. No model is read. */
import { expandPaths, openTextFile } from '../data/index.node.ts';
import {
  type ClassCount,
  type ClassificationExample,
  type ColumnWishes,
  checkLabels,
  checkRows,
  classBalance,
  classificationExamples,
  comparedText,
  type DataProblem,
  type DuplicateCounts,
  duplicateCounts,
  type Leak,
  labelNames,
  leakage,
  type Problems,
  stratifiedSplit,
} from '../data/index.ts';
import { excerpt, listed, problemOf } from '../data/problems.ts';
import type { Recipe } from './schema/index.ts';
import { type Lengths, textLengths } from './textLengths.ts';

export type DataUse = 'train' | 'validation' | 'test';

export interface CheckedFile extends Problems {
  readonly path: string;
  /** What a recipe takes it for. */
  readonly use?: DataUse;
  /** Rows that could be read; those with a problem of their own are among them. */
  readonly rows: number;
  readonly labels: readonly ClassCount[];
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

interface FileWishes extends ColumnWishes {
  readonly signal: AbortSignal;
}

/** Files by themselves. Nothing says which of them are learned from, so each may have labels of its own. */
export async function checkFiles(paths: readonly string[], wishes: FileWishes): Promise<DataCheck> {
  const read = await readAll(paths, wishes);
  const labels = classBalance(read.flatMap(({ examples }) => examples));
  const only = labels.length === 1 ? labels[0]! : undefined;
  const warnings = only && read.every(({ file }) => file.problemCount === 0) ? [onlyLabel(only, read[0]!.file)] : [];
  return resultOf(read, warnings);
}

/** The files of a recipe, each by itself and against the training data. */
export async function checkRecipeData({ data }: Recipe, signal: AbortSignal): Promise<DataCheck> {
  const wishes = { columns: data.columns, labels: 'required', signal } as const;
  const train = await readAll(data.train, { ...wishes, use: 'train' });
  const held = [
    ...(await readAll(data.validation ?? [], { ...wishes, use: 'validation' })),
    ...(await readAll(data.test ?? [], { ...wishes, use: 'test' })),
  ];
  const examples = train.flatMap((one) => one.examples);
  // What a broken training file lacks would only be told again as a fault of all others.
  if (train.some(({ file }) => file.problemCount > 0)) return resultOf([...train, ...held], []);
  const names = classBalance(examples).map(({ label }) => label);
  const trained = train.map((one, i) => (i === 0 ? withProblems(one, trainingProblems(examples, data)) : one));
  const compared = held.map((one) => withProblems(one, checkLabels(one.examples, names)));
  return resultOf(
    [...trained, ...compared],
    held.flatMap((one) => leakWarning(one, leakage(examples, one.examples))),
  );
}

interface ReadFile {
  readonly file: CheckedFile;
  readonly examples: readonly ClassificationExample[];
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

async function readFile(path: string, { columns, labels, signal, use }: FileWishes & { use?: DataUse }) {
  signal.throwIfAborted();
  const source = await openTextFile(path).catch((error) => problemOf(error));
  if ('code' in source) return unreadFile(path, source, use);
  const { rows, ...unread } = await checkRows(source);
  const { examples, ...unusable } = classificationExamples(rows, { columns, labels });
  const file: CheckedFile = {
    path,
    ...(use && { use }),
    rows: rows.length,
    ...joined(unread, unusable),
    labels: classBalance(examples),
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

/** What only training finds: too few labels, or rows of which none can be held back. */
function trainingProblems(examples: readonly ClassificationExample[], data: Recipe['data']): Problems {
  try {
    labelNames(examples);
    if (!data.validation && data.validation_split > 0) {
      const options = { fraction: data.validation_split, labelOf, textOf: comparedText, random: () => 0 };
      // Which rows are held back depends on the seed; whether there are any does not.
      stratifiedSplit(examples, options);
    }
    return { problems: [], problemCount: 0 };
  } catch (error) {
    return { problems: [problemOf(error)], problemCount: 1 };
  }
}

const labelOf = ({ label }: ClassificationExample): string => label!;

function onlyLabel({ label, count }: ClassCount, { path }: CheckedFile): DataWarning {
  const problem = `all ${count} rows have the label '${excerpt(label)}'`;
  return { where: path, problem, fix: 'to learn, a model needs rows of at least two labels' };
}

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
