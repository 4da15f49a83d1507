import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { releaseLockOf, takeLock } from './lock.node.ts';

let folder: string;
const path = () => join(folder, 'run.lock');
const written = (owner: object | string) =>
  writeFileSync(path(), typeof owner === 'string' ? owner : JSON.stringify(owner));

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'attune-lock-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const inUse = { code: 'RUN_IN_USE', fix: expect.stringContaining('run.lock') };

test('a folder has one owner, and the next one when that gave it back', async () => {
  const lock = await takeLock(folder);
  await expect(takeLock(folder)).rejects.toMatchObject(inUse);
  await lock.release();
  expect(existsSync(path())).toBe(false);
  const next = await takeLock(folder);
  await lock.release(); // Given back before: it is the next one's now.
  await expect(takeLock(folder)).rejects.toMatchObject(inUse);
  await next.release();
});

describe('a lock is none any more', () => {
  const mine = { host: hostname(), thread: 0 };
  test.each([
    ['when its process is gone', { ...mine, pid: 2 ** 22 + 1, began: '1' }],
    ['when another process has its number', { ...mine, pid: process.pid, began: 'another' }],
    ['when it was never written', ''],
    ['when it was cut off', '{"host"'],
  ])('%s', async (_, owner) => {
    written(owner);
    const lock = await takeLock(folder);
    expect(JSON.parse(readFileSync(path(), 'utf8'))).toMatchObject({ host: hostname(), pid: process.pid });
    await lock.release();
  });

  test('when the thread of this process that had it was killed', async () => {
    await takeLock(folder);
    await releaseLockOf(folder, threadId + 1);
    await expect(takeLock(folder)).rejects.toMatchObject(inUse);
    await releaseLockOf(folder, threadId);
    await (await takeLock(folder)).release();
  });
});

test('of many who find an old lock one takes the folder', async () => {
  written({ host: hostname(), pid: 2 ** 22 + 1, began: '1', thread: 0 });
  const tries = await Promise.allSettled(Array.from({ length: 20 }, () => takeLock(folder)));
  expect(tries.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});
