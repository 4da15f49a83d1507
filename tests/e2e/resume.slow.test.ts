/** Real weights on two threads: killed while it saves hundreds of megabytes, and resumed. Needs ATTUNE_TEST_MINILM. */
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { killWhen, outcomeOf } from '../crash/outcome.ts';
import { readJson, start, temporaryFolder, train, writeRecipe } from './attune.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

const model = process.env.ATTUNE_TEST_MINILM;
if (!model)
  console.warn('SKIPPED: resuming on real weights (set ATTUNE_TEST_MINILM to the folder of all-MiniLM-L6-v2)');

const folder = temporaryFolder();
const place = { cwd: folder };

beforeAll(() => {
  writeReviews(folder);
  const training = { dropout: 0.1, num_train_epochs: 2, learning_rate: 5e-5, save_steps: 4 };
  writeRecipe(folder, tinyRecipe({ model, evaluation: { eval_steps: 6 }, training, threads: 2 }));
});

it.skipIf(!model).each([
  ['full', []],
  ['lora', ['method=lora', 'learning_rate=5e-4']],
])('%s ends with the same bits', async (name, words) => {
  const [whole, broken] = [`${name}-whole`, `${name}-broken`];
  await train(['recipe.json', ...words, `output_dir=${whole}`], place);
  const started = start(['train', 'recipe.json', ...words, `output_dir=${broken}`], place);
  const root = join(folder, broken, 'checkpoints');
  // Mostly in the middle of the save; on a busy machine perhaps just after it.
  const isSaving = () => existsSync(root) && readdirSync(root).some((entry) => /^(\.step-8\.|step-8$)/.test(entry));
  expect(await killWhen(started, isSaving)).toBe(true);
  await train(['recipe.json', ...words, `output_dir=${broken}`, '--resume'], place);
  const [step] = readJson<{ resumed_at_steps: number[] }>(folder, broken, 'run.json').resumed_at_steps;
  expect([4, 8]).toContain(step);
  expect(outcomeOf(join(folder, broken))).toEqual(outcomeOf(join(folder, whole)));
  const large = join(folder, whole, 'checkpoints/step-24/linked/model.safetensors');
  if (existsSync(large)) expect(statSync(large).nlink).toBeGreaterThan(1);
});
