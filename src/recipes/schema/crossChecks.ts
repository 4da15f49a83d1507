import { z } from 'zod';
import { dataSettings } from './dataSettings.ts';
import { evaluationSettings } from './evaluationSettings.ts';
import type { RecipeInput, TaskName } from './recipeSettings.ts';
import { taskChecks } from './taskChecks.ts';
import { trainingSettings } from './trainingSettings.ts';

/** The groups of a recipe without the values that are wrong, so that one mistake does not hide another. */
export const checkedGroups = z.object({
  data: dataSettings.partial().prefault({}),
  training: trainingSettings.prefault({}),
  evaluation: evaluationSettings.prefault({}),
});

export interface Checked extends z.output<typeof checkedGroups> {
  /** What was written, before defaults. */
  readonly task: TaskName | undefined;
  readonly given: { readonly [Group in 'data' | 'training' | 'evaluation']: Partial<NonNullable<RecipeInput[Group]>> };
}

export interface CrossCheck {
  readonly at: string;
  /** The check is left out when one of these, or `at`, is wrong by itself. */
  readonly reads: readonly string[];
  readonly finds: (recipe: Checked) => { readonly problem: string; readonly fix: string } | undefined;
}

export const crossChecks: readonly CrossCheck[] = [
  ...taskChecks,
  {
    at: 'data.validation_split',
    reads: ['data.validation'],
    finds: ({ data }) =>
      data.validation && data.validation_split
        ? {
            problem: `got ${data.validation_split}, but \`data.validation\` is given too`,
            fix: 'remove one of the two: the validation data is either a file of its own or a share of `data.train`',
          }
        : undefined,
  },
  {
    at: 'data.columns',
    reads: [],
    finds: ({ data }) => {
      const names = Object.values(data.columns ?? {}).filter((name) => name !== undefined);
      const twice = names.find((name, index) => names.indexOf(name) !== index);
      return twice === undefined
        ? undefined
        : { problem: `the column "${twice}" is named twice`, fix: 'give each of text, pair and label its own column' };
    },
  },
  {
    at: 'training.max_length',
    reads: ['data.max_length'],
    finds: ({ given: { data, training } }) =>
      data.max_length !== undefined && training.max_length !== undefined && data.max_length !== training.max_length
        ? {
            problem: `got ${training.max_length}, but \`data.max_length\` is ${data.max_length}`,
            fix: 'keep one of the two: they are the same setting',
          }
        : undefined,
  },
  {
    at: 'training.tokens_per_batch',
    reads: ['training.per_device_train_batch_size'],
    finds: ({ given: { training } }) =>
      training.tokens_per_batch !== undefined && training.per_device_train_batch_size !== undefined
        ? {
            problem: `got ${training.tokens_per_batch}, but \`training.per_device_train_batch_size\` is ${training.per_device_train_batch_size}`,
            fix: 'keep one of the two: both say how large a batch is',
          }
        : undefined,
  },
  {
    at: 'data.packing',
    reads: ['training.train_sampling_strategy'],
    finds: ({ data, given: { training } }) =>
      data.packing && training.train_sampling_strategy === 'group_by_length'
        ? {
            problem: 'got true, but `training.train_sampling_strategy` is group_by_length',
            fix: 'keep one of the two: texts of like length leave nothing to pack',
          }
        : undefined,
  },
  {
    at: 'training.parameter_groups',
    reads: [],
    finds: ({ training: { parameter_groups: groups = [] } }) => {
      const [both, none] = [groups.find(hasTwoRates), groups.find(hasNothing)];
      if (both) {
        const problem = `the group '${both.pattern}' has learning_rate and learning_rate_scale`;
        return { problem, fix: 'keep one of the two: both say how fast it learns' };
      }
      if (!none) return undefined;
      const problem = `the group '${none.pattern}' says nothing about its tensors`;
      return { problem, fix: 'give learning_rate, learning_rate_scale or weight_decay' };
    },
  },
  {
    at: 'training.warmup_ratio',
    reads: ['training.warmup_steps'],
    finds: ({ training }) =>
      training.warmup_ratio > 0 && training.warmup_steps > 0
        ? {
            problem: `got ${training.warmup_ratio}, but \`training.warmup_steps\` is ${training.warmup_steps}`,
            fix: 'keep one of the two: both say how long the warm-up is',
          }
        : undefined,
  },
  {
    at: 'training.lr_scheduler_type',
    reads: ['training.warmup_steps', 'training.warmup_ratio'],
    finds: ({ training }) =>
      training.lr_scheduler_type === 'constant' && (training.warmup_ratio > 0 || training.warmup_steps > 0)
        ? { problem: 'got constant, which has no warm-up, and a warm-up', fix: 'give constant_with_warmup' }
        : undefined,
  },
  {
    at: 'training.warmup_steps',
    reads: ['training.max_steps'],
    finds: ({ training }) =>
      training.max_steps > 0 && training.warmup_steps > training.max_steps
        ? {
            problem: `got ${training.warmup_steps}, but the run ends after ${training.max_steps} steps`,
            fix: `give at most ${training.max_steps}, or raise \`training.max_steps\``,
          }
        : undefined,
  },
  {
    at: 'evaluation.eval_steps',
    reads: ['evaluation.eval_strategy'],
    finds: ({ evaluation, given }) => {
      const strategy = given.evaluation.eval_strategy;
      return evaluation.eval_steps === undefined || strategy === undefined || strategy === 'steps'
        ? undefined
        : {
            problem: `got ${evaluation.eval_steps}, but \`evaluation.eval_strategy\` is ${strategy}`,
            fix: 'give `eval_strategy: steps`, or remove `eval_steps`',
          };
    },
  },
  {
    at: 'evaluation.eval_strategy',
    reads: ['evaluation.eval_steps'],
    finds: ({ evaluation }) =>
      evaluation.eval_strategy === 'steps' && evaluation.eval_steps === undefined
        ? {
            problem: 'got steps, but not how many',
            fix: 'add `eval_steps`, the number of steps between two evaluations',
          }
        : undefined,
  },
  {
    at: 'training.save_steps',
    reads: ['training.save_strategy'],
    finds: ({ training, given }) => {
      const strategy = given.training.save_strategy;
      return training.save_steps === undefined || strategy === undefined || strategy === 'steps'
        ? undefined
        : {
            problem: `got ${training.save_steps}, but \`training.save_strategy\` is ${strategy}`,
            fix: 'give `save_strategy: steps`, or remove `save_steps`',
          };
    },
  },
  {
    at: 'training.save_strategy',
    reads: ['training.save_steps', 'training.save_minutes'],
    finds: ({ training, given }) => {
      if (training.save_strategy === 'steps' && training.save_steps === undefined) {
        return { problem: 'got steps, but not how many', fix: 'add `save_steps`, the steps between two checkpoints' };
      }
      return given.training.save_strategy === 'no' && training.save_minutes > 0
        ? { problem: 'got no, but `training.save_minutes` asks for checkpoints', fix: 'remove one of the two' }
        : undefined;
    },
  },
  {
    at: 'evaluation',
    reads: ['data.validation', 'data.validation_split', 'evaluation.eval_strategy', 'evaluation.eval_steps'],
    finds: ({ data, given }) => {
      const { eval_strategy: strategy, eval_steps: steps } = given.evaluation;
      const isAskedFor = steps !== undefined || (strategy !== undefined && strategy !== 'no');
      return isAskedFor && hasNoValidation(data)
        ? { problem: 'evaluation is asked for, but there is no validation data', fix: giveValidation }
        : undefined;
    },
  },
  {
    at: 'training.early_stopping_patience',
    reads: ['data.validation', 'data.validation_split', 'evaluation.eval_strategy'],
    finds: ({ data, training, evaluation }) => {
      if (training.early_stopping_patience === 0) return undefined;
      const problem = `got ${training.early_stopping_patience}, but nothing is evaluated during training`;
      if (hasNoValidation(data)) return { problem, fix: giveValidation };
      return evaluation.eval_strategy === 'no'
        ? { problem, fix: 'give `eval_strategy: epoch`, or remove `early_stopping_patience`' }
        : undefined;
    },
  },
  {
    at: 'evaluation.threshold',
    reads: ['data.validation', 'data.validation_split', 'evaluation.eval_strategy'],
    finds: ({ data, evaluation }) => {
      if (evaluation.threshold !== 'auto') return undefined;
      if (hasNoValidation(data)) {
        return { problem: 'got auto, but there is no validation data to choose it on', fix: giveValidation };
      }
      return evaluation.eval_strategy === 'no'
        ? {
            problem: 'got auto, but nothing is evaluated during training',
            fix: 'give `eval_strategy: epoch`, or a number for `threshold`',
          }
        : undefined;
    },
  },
];

type Group = NonNullable<Checked['training']['parameter_groups']>[number];
const hasTwoRates = ({ learning_rate: rate, learning_rate_scale: scale }: Group): boolean =>
  rate !== undefined && scale !== undefined;
const hasNothing = ({ pattern: _, ...said }: Group): boolean =>
  Object.values(said).every((value) => value === undefined);

const giveValidation = 'give `data.validation`, or a `data.validation_split` above 0';

function hasNoValidation(data: Checked['data']): boolean {
  return data.validation === undefined && data.validation_split === 0;
}
