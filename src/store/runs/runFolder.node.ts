/** A run's folder: run.json, metrics.jsonl, model/. Nothing in it is ever half written. */
import { appendFile, mkdir, readdir, readFile, rm, rmdir, stat, truncate } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import { overwrite, replaceFile, replaceFolder, writeDurably } from './atomic.node.ts';

export type RunStatus = 'running' | 'succeeded' | 'failed' | 'stopped';
/** What run.json holds; the status and whatever else is known so far. */
export type RunRecord = { readonly status: RunStatus } & Readonly<Record<string, unknown>>;

export interface RunFolder {
  readonly path: string;
  /** What run.json holds. */
  readonly record: RunRecord;
  /** Adds to run.json. */
  update(fields: Partial<RunRecord>): Promise<RunRecord>;
  /** Adds to run.json what a run that broke off ends with, even on a full disk. */
  breakOff(fields: Partial<RunRecord>): Promise<RunRecord>;
  /** Adds a line to metrics.jsonl. */
  log(line: object): Promise<void>;
  replaceFile(name: string, pieces: Iterable<string>): Promise<void>;
  replaceFolder(name: string, fill: (folder: string) => Promise<void>): Promise<void>;
}

/** What a run writes: a folder that has one of these holds another run, or a model that would be replaced. */
const runNames = ['run.json', 'metrics.jsonl', 'model', 'adapter', 'checkpoints', 'predictions.jsonl', 'report.html'];

const recordText = (record: object): string => `${JSON.stringify(record, null, 2)}\n`;

/** Refuses a place where a run would replace something. Called before time is spent, and again when it is made. */
export async function refuseUsedFolder(path: string): Promise<void> {
  const found = await stat(path).catch(() => undefined);
  if (!found) return;
  if (!found.isDirectory()) throw outputExists(path, 'it is a file');
  const names = await readdir(path).catch((failure: NodeJS.ErrnoException) => {
    throw cannotWrite(path, failure);
  });
  const used = runNames.filter((name) => names.includes(name));
  if (used.length === 0) return;
  const isRun = used.includes('run.json');
  throw outputExists(path, isRun ? 'the folder holds a run already' : `the folder holds ${used.join(', ')} already`);
}

/** Makes the folder. One that holds a run already is refused: nothing that was good is overwritten. */
export async function createRunFolder(path: string, record: RunRecord): Promise<RunFolder> {
  await refuseUsedFolder(path);
  let current = record;
  await claim(path, recordText(record)).catch((failure) => {
    throw cannotCreate(path, failure);
  });
  return {
    path,
    get record() {
      return current;
    },
    async update(fields) {
      current = { ...current, ...fields };
      await guarded(path, () => replaceFile(join(path, 'run.json'), [recordText(current)]));
      return current;
    },
    async breakOff(fields) {
      current = { ...current, ...fields };
      const file = join(path, 'run.json');
      await replaceFile(file, [recordText(current)]).catch(() => overwrite(file, recordText(current)));
      return current;
    },
    log: (line) => guarded(path, () => appendWhole(join(path, 'metrics.jsonl'), `${JSON.stringify(line)}\n`)),
    replaceFile: (name, pieces) => guarded(path, () => replaceFile(join(path, name), pieces)),
    replaceFolder: (name, fill) => guarded(path, () => replaceFolder(join(path, name), fill)),
  };
}

/** Of two processes one gets the folder. Where run.json cannot be written, what was made for it goes again. */
async function claim(path: string, text: string): Promise<void> {
  const made = await mkdir(path, { recursive: true });
  try {
    await writeDurably(join(path, 'run.json'), [text], 'wx');
  } catch (failure) {
    if ((failure as NodeJS.ErrnoException).code === 'EEXIST') throw failure;
    await rm(join(path, 'run.json'), { force: true }).catch(() => undefined);
    if (made) await removeEmpty(resolve(path), resolve(made)).catch(() => undefined);
    throw failure;
  }
}

/** A folder and those above it up to `top`, as far as nothing is in them. */
async function removeEmpty(path: string, top: string): Promise<void> {
  await rmdir(path);
  if (path !== top) await removeEmpty(dirname(path), top);
}

/** A disk that fills up takes the beginning of a line: what does not fit is taken back. */
async function appendWhole(path: string, text: string): Promise<void> {
  const size = await stat(path).then(
    (found) => found.size,
    () => 0,
  );
  try {
    await appendFile(path, text);
  } catch (failure) {
    await truncate(path, size).catch(() => undefined);
    throw failure;
  }
}

function cannotCreate(path: string, failure: NodeJS.ErrnoException): AttuneError {
  // Another process was faster.
  if (failure.code === 'EEXIST') return outputExists(path, 'the folder holds a run already');
  return cannotWrite(path, failure);
}

function outputExists(path: string, problem: string): AttuneError {
  const fix = 'choose another output_dir, or remove that run first';
  return new AttuneError({ code: 'OUTPUT_EXISTS', where: `output_dir ${path}`, problem, fix });
}

export function cannotWrite(path: string, failure: NodeJS.ErrnoException): AttuneError {
  const full = failure.code === 'ENOSPC' || failure.code === 'EDQUOT';
  return new AttuneError(
    {
      code: 'OUTPUT_WRITE',
      where: path,
      problem: full ? 'the disk is full' : failure.message,
      fix: full ? 'make room, or choose an output_dir on another disk' : 'choose an output_dir that can be written',
    },
    { cause: failure },
  );
}

async function guarded<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (failure) {
    if (failure instanceof AttuneError || (failure as NodeJS.ErrnoException).code === undefined) throw failure;
    throw cannotWrite(path, failure as NodeJS.ErrnoException);
  }
}

/** The lines of metrics.jsonl; none where nothing was logged. */
export async function readLog(path: string): Promise<Readonly<Record<string, number>>[]> {
  const text = await readFile(join(path, 'metrics.jsonl'), 'utf8').catch((failure: NodeJS.ErrnoException) => {
    if (failure.code === 'ENOENT') return '';
    throw failure;
  });
  const lines = text.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as Readonly<Record<string, number>>);
}

/** run.json of a folder; undefined where the folder is no run. */
export async function readRun(path: string): Promise<RunRecord | undefined> {
  const file = join(path, 'run.json');
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch {
    return undefined;
  }
  try {
    return JSON.parse(text) as RunRecord;
  } catch {
    throw new AttuneError({
      code: 'RUN_INVALID',
      where: file,
      problem: 'it is not JSON',
      fix: 'train again; this file was changed or damaged after the run',
    });
  }
}
