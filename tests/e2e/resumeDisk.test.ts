/** Disks that are full, too small or read-only: a clear error, nothing lost, and the run goes on once there is room. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { checkpointsOf, outcomeOf } from '../crash/outcome.ts';
import { attune, contentsOf, errorOf, readJson, start, temporaryFolder, train, writeRecipe } from './attune.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };
const disk = join(folder, 'disk');
const mount = (...options: string[]) =>
  spawnSync('mount', ['-t', 'tmpfs', '-o', options.join(), 'tmpfs', disk]).status === 0;
const unmount = () => spawnSync('umount', [disk]);

mkdirSync(disk);
const canMount = mount('size=64m');
if (canMount) unmount();
else console.warn('SKIPPED: disks that are full or read-only (mounting a small one takes root)');

beforeAll(async () => {
  writeReviews(folder);
  const training = { dropout: 0.1, save_steps: 4, num_train_epochs: 100 };
  writeRecipe(folder, tinyRecipe({ evaluation: { eval_steps: 6 }, training, output_dir: 'disk/run' }));
});
afterAll(() => void unmount());

describe.skipIf(!canMount)('a small disk', () => {
  beforeEach(() => void mount('size=32m'));
  afterEach(() => void unmount());
  const run = join(disk, 'run');
  const resume = (...words: string[]) => attune(['train', 'recipe.json', ...words, '--resume', '--json'], place);

  it('that has no room for the run is told before anything is made', async () => {
    writeFileSync(join(disk, 'filler'), Buffer.alloc(28e6));
    const finished = await attune(['train', 'recipe.json', '--json'], place);
    expect(finished.code).toBe(1);
    expect(errorOf(finished)).toMatchObject({
      code: 'DISK_SPACE',
      where: 'disk/run',
      problem: expect.stringMatching(/^this run takes .* MB, and the disk has .* MB left/),
    });
    expect(existsSync(run)).toBe(false);
  });

  it('that fills up meanwhile stops the run; with room again it ends as the one that was left alone', async () => {
    const words = ['num_train_epochs=6'];
    await train(['recipe.json', ...words, 'output_dir=whole'], place);
    const started = start(['train', 'recipe.json', ...words, '--json'], place);
    await started.told('step 6: validation');
    const { bavail, bsize } = statfsSync(disk);
    // Room for some lines of the log and for a best model under way, but for no checkpoint.
    writeFileSync(join(disk, 'filler'), Buffer.alloc(bavail * bsize - 15e5));
    const stopped = await started.finished;
    expect(stopped.code, stopped.stdout).toBe(1);
    expect(errorOf(stopped)).toMatchObject({ code: 'DISK_SPACE', where: 'disk/run' });
    const kept = checkpointsOf(run);
    expect(kept.length).toBeGreaterThan(0);
    rmSync(join(disk, 'filler'));
    const resumed = await resume(...words);
    expect(resumed.code, resumed.stdout).toBe(0);
    expect(readJson(run, 'run.json').resumed_at_steps).toEqual([kept.at(-1)]);
    expect(outcomeOf(run)).toEqual(outcomeOf(join(folder, 'whole')));
  });

  it('without a single byte left fails with an error too, and loses nothing', async () => {
    const words = ['num_train_epochs=6', 'save_total_limit=1'];
    const started = start(['train', 'recipe.json', ...words, '--json'], place);
    await started.told('step 6: validation');
    spawnSync('dd', ['if=/dev/zero', `of=${join(disk, 'filler')}`, 'bs=4096']);
    const stopped = await started.finished;
    expect(stopped.code, stopped.stdout).toBe(1);
    expect(errorOf(stopped).fix).toContain('make room');
    const again = await resume(...words);
    expect(again.code).toBe(1);
    rmSync(join(disk, 'filler'));
    expect((await resume(...words)).code).toBe(0);
  });

  it('that is read-only changes nothing', async () => {
    await train(['recipe.json', 'num_train_epochs=2'], place);
    const before = contentsOf(run);
    spawnSync('mount', ['-o', 'remount,ro', disk]);
    const finished = await resume('num_train_epochs=3', '--allow-changes');
    expect(finished.code).toBe(1);
    expect(errorOf(finished)).toMatchObject({ code: 'OUTPUT_WRITE', where: 'disk/run' });
    expect(contentsOf(run)).toEqual(before);
    expect((await resume('num_train_epochs=2')).code).toBe(0); // It is over: there is nothing to write.
  });
});
