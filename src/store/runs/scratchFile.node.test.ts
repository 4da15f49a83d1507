import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openScratchFile } from './scratchFile.node.ts';

const folder = mkdtempSync(join(tmpdir(), 'attune-scratch-'));
afterAll(() => rmSync(folder, { recursive: true }));

test('what is written anywhere is read again, and no name is left even while the file is open', () => {
  using file = openScratchFile(folder);
  expect(readdirSync(folder)).toEqual([]);
  file.write(Float32Array.of(5, 6, 7), 8);
  file.write(Float32Array.of(1, 2, 3).subarray(1), 0);
  const read = new Float32Array(4).subarray(1);
  file.read(read, 4);
  expect([...read]).toEqual([3, 5, 6]);
});

test('a folder that cannot be written is told as the place of the run', () => {
  expect(() => openScratchFile(join(folder, 'nowhere'))).toThrow(
    expect.objectContaining({ code: 'OUTPUT_WRITE', where: join(folder, 'nowhere') }),
  );
});

test('reading beyond the end is an error, not zeros', () => {
  using file = openScratchFile(folder);
  file.write(Float32Array.of(1), 0);
  expect(() => file.read(new Float32Array(2), 0)).toThrow('ends');
});
