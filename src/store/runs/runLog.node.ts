/** metrics.jsonl: lines are added at its end; resuming takes back those of steps that will be done again. */
import { appendFile, open, readFile, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { replaceFile } from './atomic.node.ts';

const LOG = 'metrics.jsonl';

const textOf = (folder: string): Promise<string> =>
  readFile(join(folder, LOG), 'utf8').catch((failure: NodeJS.ErrnoException) => {
    if (failure.code === 'ENOENT') return '';
    throw failure;
  });

/** A disk that fills up takes the beginning of a line: what does not fit is taken back. */
export async function appendLine(folder: string, line: object): Promise<void> {
  const path = join(folder, LOG);
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  try {
    await appendFile(path, `${JSON.stringify(line)}\n`);
  } catch (failure) {
    await truncate(path, size).catch(() => undefined);
    throw failure;
  }
}

/** Whole lines; a program that is killed may leave half of one behind them. */
const wholeLines = (text: string): string[] => text.split('\n').slice(0, -1);

/** Waits until the disk has the lines; returns how many there are. */
export async function settleLog(folder: string): Promise<number> {
  const handle = await open(join(folder, LOG), 'a');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  return wholeLines(await textOf(folder)).length;
}

/** Keeps the first lines. Returns how many of them are missing. */
export async function cutLog(folder: string, lines: number): Promise<number> {
  const text = await textOf(folder);
  const kept = wholeLines(text).slice(0, lines);
  const cut = kept.map((line) => `${line}\n`);
  if (cut.join('') !== text) await replaceFile(join(folder, LOG), cut);
  return lines - kept.length;
}

/** The lines of metrics.jsonl; none where nothing was logged. */
export async function readLog(folder: string): Promise<Readonly<Record<string, number>>[]> {
  return wholeLines(await textOf(folder)).map((line) => JSON.parse(line) as Readonly<Record<string, number>>);
}
