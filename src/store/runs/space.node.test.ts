import { linkSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bytesBelow, refuseFullDisk } from './space.node.ts';

test('what no disk has room for is refused with both figures, also where the folder is not made yet', async () => {
  const place = join(tmpdir(), 'not', 'made', 'yet');
  await refuseFullDisk(place, { bytes: 1, what: 'a checkpoint' });
  await expect(refuseFullDisk(place, { bytes: 1e18, what: 'a checkpoint' })).rejects.toMatchObject({
    code: 'DISK_SPACE',
    where: place,
    problem: expect.stringMatching(/^a checkpoint takes 1000000000000\.0 MB, and the disk has [\d.]+ MB left/),
    fix: expect.stringContaining('training.save_total_limit'),
  });
});

test('a file with two names takes its room once', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'attune-space-'));
  mkdirSync(join(folder, 'deep'));
  writeFileSync(join(folder, 'deep/one'), 'x'.repeat(100));
  linkSync(join(folder, 'deep/one'), join(folder, 'two'));
  writeFileSync(join(folder, 'three'), 'x'.repeat(7));
  expect(await bytesBelow(folder)).toBe(107);
  expect(await bytesBelow(join(folder, 'none'))).toBe(0);
  rmSync(folder, { recursive: true });
});

test('a name whose file is gone when it is looked at takes no room', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'attune-space-'));
  writeFileSync(join(folder, 'here'), 'x'.repeat(7));
  symlinkSync(join(folder, 'gone'), join(folder, 'name'));
  expect(await bytesBelow(folder)).toBe(7);
  rmSync(folder, { recursive: true });
});
