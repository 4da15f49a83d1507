import { expect, test } from 'vitest';
import { parseRecipe } from './parseRecipe.ts';
import type { RecipeInput } from './recipeSettings.ts';

const smallest = { model: 'org/small', task: 'text-classification' } as const;

function refused(input: Omit<RecipeInput, 'model' | 'task'>): string {
  try {
    parseRecipe({ ...smallest, ...input }, '');
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('the recipe was accepted');
}

test('settings that do not go together', () => {
  const inputs: Record<string, Omit<RecipeInput, 'model' | 'task'>> = {
    'both kinds of validation': { data: { train: 'a', validation: 'b', validation_split: 0.1 } },
    'a column named twice': { data: { train: 'a', columns: { text: 'x', pair: 'y', label: 'x' } } },
    'two lengths': { data: { train: 'a', max_length: 128 }, training: { max_length: 64 } },
    'two sizes of a batch': {
      data: { train: 'a' },
      training: { tokens_per_batch: 2048, per_device_train_batch_size: 16 },
    },
    'packing of texts that are alike': {
      data: { train: 'a', packing: true },
      training: { train_sampling_strategy: 'group_by_length' },
    },
    'a group with two rates': {
      data: { train: 'a' },
      training: { parameter_groups: [{ pattern: 'bias', learning_rate: 1e-3, learning_rate_scale: 2 }] },
    },
    'a group that says nothing': { data: { train: 'a' }, training: { parameter_groups: [{ pattern: 'bias' }] } },
    'two warm-ups': { data: { train: 'a' }, training: { warmup_ratio: 0.1, warmup_steps: 5 } },
    'a warm-up that is not used': {
      data: { train: 'a' },
      training: { lr_scheduler_type: 'constant', warmup_steps: 5 },
    },
    'a warm-up longer than the run': { data: { train: 'a' }, training: { max_steps: 5, warmup_steps: 6 } },
    'eval_steps with another strategy': { data: { train: 'a' }, evaluation: { eval_steps: 5, eval_strategy: 'epoch' } },
    'steps without their number': { data: { train: 'a' }, evaluation: { eval_strategy: 'steps' } },
    'evaluation of nothing': { data: { train: 'a', validation_split: 0 }, evaluation: { eval_strategy: 'epoch' } },
    'early stopping without evaluation': {
      data: { train: 'a' },
      training: { early_stopping_patience: 3 },
      evaluation: { eval_strategy: 'no' },
    },
    'early stopping without data': {
      data: { train: 'a', validation_split: 0 },
      training: { early_stopping_patience: 3 },
    },
    'save_steps with another strategy': { data: { train: 'a' }, training: { save_steps: 5, save_strategy: 'epoch' } },
    'saving after steps without their number': { data: { train: 'a' }, training: { save_strategy: 'steps' } },
    'checkpoints by the clock, and none': { data: { train: 'a' }, training: { save_strategy: 'no', save_minutes: 5 } },
    'a threshold to choose without data': {
      data: { train: 'a', validation_split: 0 },
      evaluation: { threshold: 'auto' },
    },
    'a threshold to choose without evaluation': {
      data: { train: 'a' },
      evaluation: { threshold: 'auto', eval_strategy: 'no' },
    },
  };
  const messages = Object.entries(inputs).map(([name, input]) => `${name}:\n${refused(input)}`);
  expect(messages.join('\n\n')).toMatchInlineSnapshot(`
    "both kinds of validation:
    data.validation_split: got 0.1, but \`data.validation\` is given too
      fix: remove one of the two: the validation data is either a file of its own or a share of \`data.train\`  [CONFIG_INVALID]

    a column named twice:
    data.columns: the column "x" is named twice
      fix: give each of text, pair and label its own column  [CONFIG_INVALID]

    two lengths:
    training.max_length: got 64, but \`data.max_length\` is 128
      fix: keep one of the two: they are the same setting  [CONFIG_INVALID]

    two sizes of a batch:
    training.tokens_per_batch: got 2048, but \`training.per_device_train_batch_size\` is 16
      fix: keep one of the two: both say how large a batch is  [CONFIG_INVALID]

    packing of texts that are alike:
    data.packing: got true, but \`training.train_sampling_strategy\` is group_by_length
      fix: keep one of the two: texts of like length leave nothing to pack  [CONFIG_INVALID]

    a group with two rates:
    training.parameter_groups: the group 'bias' has learning_rate and learning_rate_scale
      fix: keep one of the two: both say how fast it learns  [CONFIG_INVALID]

    a group that says nothing:
    training.parameter_groups: the group 'bias' says nothing about its tensors
      fix: give learning_rate, learning_rate_scale or weight_decay  [CONFIG_INVALID]

    two warm-ups:
    training.warmup_ratio: got 0.1, but \`training.warmup_steps\` is 5
      fix: keep one of the two: both say how long the warm-up is  [CONFIG_INVALID]

    a warm-up that is not used:
    training.lr_scheduler_type: got constant, which has no warm-up, and a warm-up
      fix: give constant_with_warmup  [CONFIG_INVALID]

    a warm-up longer than the run:
    training.warmup_steps: got 6, but the run ends after 5 steps
      fix: give at most 5, or raise \`training.max_steps\`  [CONFIG_INVALID]

    eval_steps with another strategy:
    evaluation.eval_steps: got 5, but \`evaluation.eval_strategy\` is epoch
      fix: give \`eval_strategy: steps\`, or remove \`eval_steps\`  [CONFIG_INVALID]

    steps without their number:
    evaluation.eval_strategy: got steps, but not how many
      fix: add \`eval_steps\`, the number of steps between two evaluations  [CONFIG_INVALID]

    evaluation of nothing:
    evaluation: evaluation is asked for, but there is no validation data
      fix: give \`data.validation\`, or a \`data.validation_split\` above 0  [CONFIG_INVALID]

    early stopping without evaluation:
    training.early_stopping_patience: got 3, but nothing is evaluated during training
      fix: give \`eval_strategy: epoch\`, or remove \`early_stopping_patience\`  [CONFIG_INVALID]

    early stopping without data:
    training.early_stopping_patience: got 3, but nothing is evaluated during training
      fix: give \`data.validation\`, or a \`data.validation_split\` above 0  [CONFIG_INVALID]

    save_steps with another strategy:
    training.save_steps: got 5, but \`training.save_strategy\` is epoch
      fix: give \`save_strategy: steps\`, or remove \`save_steps\`  [CONFIG_INVALID]

    saving after steps without their number:
    training.save_strategy: got steps, but not how many
      fix: add \`save_steps\`, the steps between two checkpoints  [CONFIG_INVALID]

    checkpoints by the clock, and none:
    training.save_strategy: got no, but \`training.save_minutes\` asks for checkpoints
      fix: remove one of the two  [CONFIG_INVALID]

    a threshold to choose without data:
    evaluation.threshold: got auto, but there is no validation data to choose it on
      fix: give \`data.validation\`, or a \`data.validation_split\` above 0  [CONFIG_INVALID]

    a threshold to choose without evaluation:
    evaluation.threshold: got auto, but nothing is evaluated during training
      fix: give \`eval_strategy: epoch\`, or a number for \`threshold\`  [CONFIG_INVALID]"
  `);
});

test('a setting that is wrong by itself is not told again', () => {
  const messages = refused({
    data: { train: 'a', validation: 3 as never, validation_split: 0.1 },
    evaluation: { eval_strategy: 'sometimes' as never, eval_steps: 5 },
    training: { warmup_steps: 5, warmup_ratio: 0.1 },
  });
  expect(messages.split('\n').filter((line) => !line.startsWith('  fix'))).toMatchInlineSnapshot(`
    [
      "data.validation: got 3",
      "evaluation.eval_strategy: got "sometimes"",
      "training.warmup_ratio: got 0.1, but \`training.warmup_steps\` is 5",
    ]
  `);
});
