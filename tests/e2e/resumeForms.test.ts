/** Whatever form a step has, a run that was broken off ends as the one that was left alone: same weights, same lines. */
import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { brokenAfter, outcomeOf } from '../crash/outcome.ts';
import { attune, temporaryFolder, train, writeRecipe } from './attune.ts';
import { tinyRecipe, writeReviews } from './reviews.ts';

const folder = temporaryFolder();
const place = { cwd: folder };

beforeAll(() => {
  writeReviews(folder);
  const training = { dropout: 0.1, save_steps: 5, save_total_limit: 100, num_train_epochs: 3 };
  writeRecipe(folder, tinyRecipe({ evaluation: { eval_steps: 4 }, training }));
});

const forms: Record<string, string[]> = {
  'length-grouped rows': ['train_sampling_strategy=group_by_length'],
  'a budget of tokens': ['tokens_per_batch=120', '~training.per_device_train_batch_size'],
  'packed rows': ['data.packing=true', '~training.train_sampling_strategy'],
  'parts of a batch, and batches of a step': ['micro_batch_tokens=32', 'gradient_accumulation_steps=2'],
  'frozen layers whose outputs are kept': ['method={name: freeze, trainable: 1}', 'dropout=auto'],
  'a base in 8 bits': ['method={name: lora, r: 4, base_precision: int8}'],
  'a base in 4 bits': ['method={name: lora, r: 4, base_precision: int4}'],
  'layers that open one after the other': ['method={name: full, unfreeze_schedule: 0.5}'],
  'added matrices that do': ['method={name: lora, r: 4, unfreeze_schedule: {at: [4, 9, 16], unit: steps}}'],
  'groups of parameters': ['training.parameter_groups=[{pattern: bias, learning_rate: 1e-3, weight_decay: 0.1}]'],
  'ranks that are given up': ['method={name: adalora, init_r: 4, target_r: 2, tinit: 2, tfinal: 20}'],
  'trained layers in 8 bits': ['training.precision=int8'],
};

it.each(Object.entries(forms))('%s', async (name, words) => {
  const run = name.replaceAll(/\W+/g, '-');
  await train(['recipe.json', ...words, `output_dir=${run}`], place);
  const whole = outcomeOf(join(folder, run));
  for (const step of [5, 10]) {
    const broken = `${run}-${step}`;
    brokenAfter(join(folder, run), step, join(folder, broken));
    const resumed = await attune(
      ['train', 'recipe.json', ...words, `output_dir=${broken}`, '--resume', '--json'],
      place,
    );
    expect(resumed.code, resumed.stdout).toBe(0);
    expect(outcomeOf(join(folder, broken)), `after step ${step}`).toEqual(whole);
  }
});
