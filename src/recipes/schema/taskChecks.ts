import type { CrossCheck } from './crossChecks.ts';
import type { TaskName } from './recipeSettings.ts';

/** Settings that only some tasks have. Given for another task they would do nothing: they are mistakes. */
const settings: readonly (readonly [place: string, tasks: readonly TaskName[], harmless?: unknown])[] = [
  ['data.format', ['sft', 'causal-lm']],
  ['data.chat_template', ['sft']],
  ['data.on_empty_labels', ['sft']],
  ['training.class_weights', ['text-classification'], 'none'],
  ['evaluation.threshold', ['text-classification']],
];

/** The settings of a group without those that its task does not have. */
export function ofTask<Group extends object>(group: Group, name: string, task: TaskName): Group {
  const foreign = new Set(settings.filter(([, tasks]) => !tasks.includes(task)).map(([place]) => place));
  return Object.fromEntries(Object.entries(group).filter(([key]) => !foreign.has(`${name}.${key}`))) as Group;
}

const metrics: Readonly<Record<string, readonly TaskName[]>> = {
  ...Object.fromEntries(
    ['accuracy', 'f1', 'precision', 'recall', 'matthews_correlation'].map((name) => [name, ['text-classification']]),
  ),
  perplexity: ['sft', 'causal-lm'],
};

const columns: Readonly<Record<TaskName, readonly string[]>> = {
  'text-classification': ['text', 'pair', 'label'],
  'causal-lm': ['text'],
  sft: [...['messages', 'prompt', 'completion', 'instruction', 'input', 'output'], ...['system', 'history', 'tools']],
};

type Found = ReturnType<CrossCheck['finds']>;

export const taskChecks: readonly CrossCheck[] = [
  ...settings.map(([place, tasks, harmless]): CrossCheck => {
    const [group, key] = place.split('.') as ['data' | 'training' | 'evaluation', string];
    return {
      at: place,
      reads: ['task'],
      finds: ({ given, task }) => {
        const value = (given[group] as Readonly<Record<string, unknown>>)[key];
        const isOff = value === undefined || value === harmless;
        return task === undefined || isOff || tasks.includes(task) ? undefined : foreign(task, tasks);
      },
    };
  }),
  {
    at: 'training.metric_for_best_model',
    reads: ['task'],
    finds: ({ training: { metric_for_best_model: metric }, task }): Found => {
      const tasks = metric === undefined ? undefined : metrics[metric];
      if (task === undefined || !tasks || tasks.includes(task)) return undefined;
      const fitting = task === 'text-classification' ? 'accuracy, f1 or loss' : 'loss or perplexity';
      return { problem: `got ${metric}, which the task ${task} does not have`, fix: `give ${fitting}` };
    },
  },
  {
    at: 'data.columns',
    reads: ['task'],
    finds: ({ data, task }): Found => {
      const used = Object.entries(data.columns ?? {}).flatMap(([use, name]) => (name === undefined ? [] : use));
      const other = task && used.find((use) => !columns[task].includes(use));
      if (!other) return undefined;
      return { problem: `the task ${task} reads no '${other}'`, fix: `it reads ${columns[task!].join(', ')}` };
    },
  },
  {
    at: 'data.format',
    reads: ['task'],
    finds: ({ given: { data }, task }): Found => {
      const format = data.format ?? 'auto';
      if (task === 'sft' && format === 'text') {
        return {
          problem: 'got text, which has no answers to learn',
          fix: 'give task: causal-lm, or rows with answers',
        };
      }
      if (task !== 'causal-lm' || format === 'auto' || format === 'text') return undefined;
      return { problem: `got ${format}, but causal-lm learns plain texts`, fix: 'give task: sft, or format: text' };
    },
  },
];

const foreign = (task: TaskName, tasks: readonly TaskName[]): Found => ({
  problem: `the task ${task} does not have it`,
  fix: `remove it; it is for ${tasks.join(' and ')}`,
});
