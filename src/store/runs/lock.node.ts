/** One program at a time writes into a run's folder: run.lock says which, and is no lock once that program is gone. */
import { readFileSync } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { threadId } from 'node:worker_threads';
import { AttuneError } from '../../errors/index.ts';

const LOCK = 'run.lock';

interface Owner {
  readonly host: string;
  readonly pid: number;
  /** When that process began, in ticks since the machine did: a number that its successors do not have. */
  readonly began?: string | undefined;
  readonly thread: number;
}

export interface Lock {
  release(): Promise<void>;
}

/** Throws RUN_IN_USE where another program has the folder. */
export async function takeLock(folder: string): Promise<Lock> {
  const path = join(folder, LOCK);
  const mine: Owner = { host: hostname(), pid: process.pid, began: beginningOf(process.pid), thread: threadId };
  for (let attempt = 0; attempt < 5; attempt++) {
    if (await create(path, JSON.stringify(mine))) return held(path);
    const text = await readFile(path, 'utf8').catch(() => undefined);
    if (text === undefined) continue; // It was given back meanwhile.
    if (!parse(text) && attempt < 2)
      await setTimeout(200); // It may be about to be written.
    else if (isGone(text)) await takeAway(path, text);
    else throw inUse(folder, text);
  }
  throw inUse(folder, '');
}

/** Given back once: afterwards it may be somebody else's. */
function held(path: string): Lock {
  let isHeld = true;
  return {
    async release() {
      if (isHeld) await rm(path, { force: true });
      isHeld = false;
    },
  };
}

/** After a thread of this process ended without giving its lock back. */
export async function releaseLockOf(folder: string, thread: number): Promise<void> {
  const path = join(folder, LOCK);
  const owner = parse(await readFile(path, 'utf8').catch(() => ''));
  if (owner?.pid === process.pid && owner.thread === thread && owner.host === hostname()) await rm(path);
}

async function create(path: string, text: string): Promise<boolean> {
  const handle = await open(path, 'wx').catch((failure: NodeJS.ErrnoException) => {
    if (failure.code === 'EEXIST') return undefined;
    throw failure;
  });
  if (!handle) return false;
  try {
    await handle.writeFile(text);
    return true;
  } finally {
    await handle.close();
  }
}

/** By renaming: of several who find the same old lock only one takes it away. */
async function takeAway(path: string, seen: string): Promise<void> {
  const aside = `${path}.${process.pid}-${threadId}`;
  await rename(path, aside).catch(() => undefined);
  const taken = await readFile(aside, 'utf8').catch(() => seen);
  // Another was faster, and this is its new lock.
  if (taken !== seen) await rename(aside, path);
  else await rm(aside, { force: true });
}

function isGone(text: string): boolean {
  const owner = parse(text);
  // Empty or cut off: its program was killed while it wrote these few bytes.
  if (!owner) return true;
  if (owner.host !== hostname()) return false;
  return !isAlive(owner.pid) || beginningOf(owner.pid) !== owner.began;
}

function parse(text: string): Owner | undefined {
  try {
    return JSON.parse(text) as Owner;
  } catch {
    return undefined;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (failure) {
    return (failure as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Linux tells; elsewhere the number of the process has to do. */
function beginningOf(pid: number): string | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return undefined;
  }
}

function inUse(folder: string, text: string): AttuneError {
  const owner = parse(text);
  const who = owner ? `process ${owner.pid} on ${owner.host}` : 'another program';
  return new AttuneError({
    code: 'RUN_IN_USE',
    where: `output_dir ${folder}`,
    problem: `${who} is writing this run`,
    fix: `wait until it ends; where that program cannot be running any more, remove ${join(folder, LOCK)}`,
  });
}
