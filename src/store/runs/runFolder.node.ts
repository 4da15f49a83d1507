/** A run's folder: run.json, metrics.jsonl, model/. Nothing in it is ever half written. */
import { mkdir, readdir, readFile, rmdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import { overwrite, removeLeftovers, replaceFile, replaceFolder } from './atomic.node.ts';
import { type Lock, takeLock } from './lock.node.ts';
import { appendLine, cutLog, settleLog } from './runLog.node.ts';

export type RunStatus = 'running' | 'succeeded' | 'failed' | 'stopped';
/** What run.json holds; the status and whatever else is known so far. */
export type RunRecord = { readonly status: RunStatus } & Readonly<Record<string, unknown>>;

/** Disposing gives the folder to whoever comes next. */
export interface RunFolder extends AsyncDisposable {
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
  /** Waits until the disk has the lines of metrics.jsonl; returns how many there are. */
  settleLog(): Promise<number>;
  /** Keeps the first lines of metrics.jsonl; returns how many of them are missing. */
  cutLog(lines: number): Promise<number>;
  /** Removes what a killed program left half written. */
  clean(): Promise<void>;
  /** Does work that writes into the folder: failures of the disk become errors that a user can mend. */
  guard<T>(work: () => Promise<T>): Promise<T>;
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
  throw outputExists(path, isRun ? holdsRun : `the folder holds ${used.join(', ')} already`);
}

/** Makes the folder. One that holds a run already is refused: nothing that was good is overwritten. */
export async function createRunFolder(path: string, record: RunRecord): Promise<RunFolder> {
  await refuseUsedFolder(path);
  const made = await guarded(path, () => mkdir(path, { recursive: true }));
  try {
    const lock = await claim(path);
    try {
      await refuseUsedFolder(path);
      await guarded(path, () => replaceFile(join(path, 'run.json'), [recordText(record)]));
    } catch (failure) {
      await lock.release();
      throw failure;
    }
    return openFolder(path, record, lock);
  } catch (failure) {
    // What was made for a run that cannot begin goes again.
    if (made) await removeEmpty(resolve(path), resolve(made)).catch(() => undefined);
    throw failure;
  }
}

const claim = (path: string): Promise<Lock> =>
  guarded(path, () => takeLock(path)).catch((failure) => {
    // Another program was faster.
    throw failure instanceof AttuneError && failure.code === 'RUN_IN_USE' ? outputExists(path, holdsRun) : failure;
  });

/** A folder and those above it up to `top`, as far as nothing is in them. */
async function removeEmpty(path: string, top: string): Promise<void> {
  await rmdir(path);
  if (path !== top) await removeEmpty(dirname(path), top);
}

/** Takes over the folder of a run that is not over; undefined where there is no run. Throws RUN_IN_USE while it goes on. */
export async function reopenRunFolder(path: string): Promise<RunFolder | undefined> {
  if (!(await readRun(path))) return undefined;
  const lock = await guarded(path, () => takeLock(path));
  try {
    return openFolder(path, (await readRun(path))!, lock);
  } catch (failure) {
    await lock.release();
    throw failure;
  }
}

function openFolder(path: string, record: RunRecord, lock: Lock): RunFolder {
  let current = record;
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
    log: (line) => guarded(path, () => appendLine(path, line)),
    settleLog: () => guarded(path, () => settleLog(path)),
    cutLog: (lines) => guarded(path, () => cutLog(path, lines)),
    replaceFile: (name, pieces) => guarded(path, () => replaceFile(join(path, name), pieces)),
    replaceFolder: (name, fill) => guarded(path, () => replaceFolder(join(path, name), fill)),
    clean: () => guarded(path, () => removeLeftovers(path)),
    guard: (work) => guarded(path, work),
    [Symbol.asyncDispose]: () => lock.release(),
  };
}

const holdsRun = 'the folder holds a run already';

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
