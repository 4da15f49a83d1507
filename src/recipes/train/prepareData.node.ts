/** What a run learns from and is measured on, whatever its task. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { EncodedRow } from '../../data/batch.ts';
import { expandPaths, openTextFile } from '../../data/index.node.ts';
import { type Compared, checkRows, type Problems, type Row, throwProblems } from '../../data/index.ts';
import type { ChatFacts } from './tasks/chatFacts.ts';

export interface PreparedSplit<Example extends Compared = Compared> {
  readonly examples: readonly Example[];
  readonly rows: readonly EncodedRow[];
  /** Rows that were longer than the limit, and lost their end. */
  readonly truncated: number;
  /** Rows that had nothing left to learn, and were left out. */
  readonly dropped: number;
}

export interface PreparedData {
  /** Of classification; other tasks have none. */
  readonly labels: readonly string[];
  /** How much a training row of each label counts; undefined where all count the same. */
  readonly classWeights?: readonly number[] | undefined;
  readonly train: PreparedSplit;
  readonly validation?: PreparedSplit;
  readonly test?: PreparedSplit;
  readonly maxLength: number;
  /** Validation and test rows that repeat a training row, or nearly so: they measure memory rather than learning. */
  readonly leaked: number;
  /** sha256 of every file that was read, by its path. */
  readonly files: Readonly<Record<string, string>>;
  /** Of conversations: how they were written. */
  readonly chat?: ChatFacts | undefined;
}

/** What a task makes of the rows of all files that some paths, patterns or folders name. */
export async function readFiles<T>(
  paths: readonly string[],
  read: (rows: readonly Row[]) => Problems & { readonly found: readonly T[] },
  example?: string,
): Promise<readonly T[]> {
  const all: T[] = [];
  for (const path of await expandPaths(paths)) {
    const checked = await checkRows(await openTextFile(path), example);
    throwProblems(checked);
    const { found, ...problems } = read(checked.rows);
    throwProblems(problems);
    for (const one of found) all.push(one);
  }
  return all;
}

export async function hashFiles(paths: readonly string[]): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const path of await expandPaths(paths)) {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    hashes[path] = hash.digest('hex');
  }
  return hashes;
}
