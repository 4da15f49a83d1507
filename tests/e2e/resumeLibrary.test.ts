/** Resuming from TypeScript, also in the process whose training thread was killed. */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { outcomeOf } from '../crash/outcome.ts';
import { distFolder, readJson, temporaryFolder } from './attune.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

/** Ends the thread at a step, as running out of memory would, and tells how that showed. */
const script = (recipe: object) => `
import threads from 'node:worker_threads';
import { existsSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
const started = [];
const Worker = threads.Worker;
threads.Worker = class extends Worker {
  constructor(...words) {
    super(...words);
    started.push(this);
  }
};
syncBuiltinESMExports();
const { train } = await import(${JSON.stringify(pathToFileURL(join(distFolder, 'index.js')).href)});
const recipe = ${JSON.stringify(recipe)};
const whole = await train({ ...recipe, output_dir: 'whole' });
const killed = await train(recipe, {
  onEvent: (event) => {
    if (event.type === 'step' && event.step === 17) void started.at(-1).terminate();
  },
}).catch((failure) => failure.message);
const isLocked = existsSync('run/run.lock');
const { status } = await train(recipe, { resume: true });
const again = await train(recipe, { resume: true });
const changed = await train({ ...recipe, training: { ...recipe.training, seed: 1 } }, { resume: true }).catch(
  ({ code }) => code,
);
console.log(JSON.stringify({ killed, isLocked, status, again: again.status, changed, whole: whole.status }));
`;

it('resume: true goes on after the training thread was killed; the folder is free at once', () => {
  const folder = temporaryFolder();
  writeReviews(folder);
  const training = { dropout: 0.1, save_steps: 5, num_train_epochs: 2 };
  writeFileSync(join(folder, 'resume.mjs'), script(tinyRecipe({ training })));
  const { stdout, stderr } = spawnSync(process.execPath, ['resume.mjs'], { cwd: folder, encoding: 'utf8' });
  expect(stdout, stderr).not.toBe('');
  expect(JSON.parse(stdout)).toEqual({
    killed: expect.stringContaining('the training thread ended early'),
    isLocked: false,
    status: 'succeeded',
    again: 'succeeded',
    changed: 'RESUME_CHANGED',
    whole: 'succeeded',
  });
  const [step] = readJson<{ resumed_at_steps: number[] }>(folder, 'run/run.json').resumed_at_steps;
  expect(step).toBeGreaterThanOrEqual(15);
  expect(outcomeOf(join(folder, 'run'))).toEqual(outcomeOf(join(folder, 'whole')));
  expect(existsSync(join(folder, 'run/run.lock'))).toBe(false);
});
