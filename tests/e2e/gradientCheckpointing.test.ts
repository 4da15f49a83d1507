/** A run whose layers are computed again for the backward pass is the run in which they are kept. */
import { expect, it } from 'vitest';
import { readLines, temporaryFolder, train, writeRecipe } from './attune.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };

it('learns the same', async () => {
  writeReviews(folder);
  const training = { dropout: 0.1, max_steps: 6, logging_steps: 1, learning_rate: 0.001 };
  writeRecipe(folder, tinyRecipe({ method: { name: 'full' }, training }));
  await train(['recipe.json', 'output_dir=kept'], place);
  await train(['recipe.json', 'gradient_checkpointing=true', 'output_dir=again'], place);
  const losses = (run: string) =>
    readLines<{ loss?: number }>(folder, run, 'metrics.jsonl').flatMap(({ loss }) => loss ?? []);
  const expected = losses('kept');
  expect(expected).toHaveLength(6);
  losses('again').forEach((loss, i) => {
    expect(Math.abs(loss / expected[i]! - 1)).toBeLessThan(1e-5);
  });
});
