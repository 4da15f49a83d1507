import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { appendLine, cutLog, readLog, settleLog } from './runLog.node.ts';

let folder: string;
const text = () => readFileSync(join(folder, 'metrics.jsonl'), 'utf8');
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'attune-log-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

test('lines are counted, and those after a number of them are taken back', async () => {
  expect(await settleLog(folder)).toBe(0);
  for (const step of [1, 2, 3]) await appendLine(folder, { step });
  expect(await settleLog(folder)).toBe(3);
  expect(await cutLog(folder, 2)).toBe(0);
  expect(text()).toBe('{"step":1}\n{"step":2}\n');
});

test('half a line is no line, neither counted nor read nor kept', async () => {
  await appendLine(folder, { step: 1 });
  appendFileSync(join(folder, 'metrics.jsonl'), '{"step":');
  expect(await settleLog(folder)).toBe(1);
  expect(await readLog(folder)).toEqual([{ step: 1 }]);
  expect(await cutLog(folder, 1)).toBe(0);
  expect(text()).toBe('{"step":1}\n');
});

test('lines that are missing are told', async () => {
  expect(await cutLog(folder, 2)).toBe(2);
  await appendLine(folder, { step: 1 });
  expect(await cutLog(folder, 3)).toBe(2);
  expect(await readLog(folder)).toEqual([{ step: 1 }]);
});
