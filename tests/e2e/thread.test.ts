/** Training runs in a thread of its own: the thread that started it stays free for progress, signals and servers. */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { distFolder, temporaryFolder } from './attune.ts';
import { reviews, tinyRecipe, writeReviews, writeRows } from './reviews.ts';

interface Report {
  readonly seconds: number;
  readonly ticks: number;
  readonly longestPause: number;
  readonly types: readonly string[];
  readonly duringSteps: number;
}

const moduleUrl = (name: string): string => JSON.stringify(pathToFileURL(join(distFolder, name)).href);

/** Counts ticks of 10 ms while a run goes on. Waits are measured from the first event: starting a thread takes time. */
const script = (recipe: object) => `
import { trainInWorker } from ${moduleUrl('recipes/index.js')};
import { parseRecipe } from ${moduleUrl('recipes/schema/index.js')};
const recipe = parseRecipe(${JSON.stringify(recipe)}, 'test');
const types = [];
let [ticks, duringSteps, longestPause, started, last] = [0, 0, 0, 0, 0];
const timer = setInterval(() => {
  const now = performance.now();
  if (started === 0) return;
  ticks += 1;
  if (types.at(-1) === 'step') duringSteps += 1;
  longestPause = Math.max(longestPause, now - last);
  last = now;
}, 10);
await trainInWorker(recipe, {
  signal: new AbortController().signal,
  onEvent: ({ type }) => {
    if (started === 0) started = last = performance.now();
    types.push(type);
  },
});
clearInterval(timer);
const seconds = (performance.now() - started) / 1000;
console.log(JSON.stringify({ seconds, ticks, longestPause, types, duringSteps }));
`;

it('leaves at least half of the ticks of 10 ms to the thread that called it', () => {
  const folder = temporaryFolder();
  writeReviews(folder);
  writeRows(folder, 'train.jsonl', reviews(2000));
  // Steps of some 50 ms: 256 rows each.
  const training = { per_device_train_batch_size: 256, max_steps: 25, dropout: 0.1 };
  writeFileSync(join(folder, 'count.mjs'), script(tinyRecipe({ training })));
  const { stdout, stderr } = spawnSync(process.execPath, ['count.mjs'], { cwd: folder, encoding: 'utf8' });
  const report = JSON.parse(stdout || `"${stderr}"`) as Report;
  expect(report.types.filter((type) => type === 'step')).toHaveLength(25);
  expect(report.seconds).toBeGreaterThan(0.5);
  expect(report.ticks).toBeGreaterThan((report.seconds / 0.01) * 0.5);
  expect(report.duringSteps).toBeGreaterThan(25);
  expect(report.longestPause).toBeLessThan(500);
});
