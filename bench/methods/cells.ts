/** Which ways to tune are compared, and on what: each with its default learning rate. */
import type { MethodName } from '../../src/methods/index.ts';

const all = { r: 8, lora_alpha: 16, target_modules: 'all-linear' };

/** What a recipe says under `method`, by the name in the table. */
export const methods: Readonly<Record<string, { readonly name: MethodName } & Readonly<Record<string, unknown>>>> = {
  full: { name: 'full' },
  'full, unfrozen from the top': { name: 'full', unfreeze_schedule: { every: 10, unit: 'steps' } },
  'freeze: head': { name: 'freeze', trainable: 'head' },
  'freeze: last 2 layers': { name: 'freeze', trainable: 2 },
  bitfit: { name: 'bitfit' },
  ln_tuning: { name: 'ln_tuning' },
  lora: { name: 'lora', ...all },
  'lora, int8': { name: 'lora', ...all, base_precision: 'int8' },
  'lora, int4': { name: 'lora', ...all, base_precision: 'int4' },
  'lora+': { name: 'lora', ...all, loraplus_lr_ratio: 16 },
  'lora, pissa': { name: 'lora', ...all, init: 'pissa' },
  'lora, olora': { name: 'lora', ...all, init: 'olora' },
  'lora, int4, loftq': { name: 'lora', ...all, base_precision: 'int4', init: 'loftq' },
  dora: { name: 'dora', ...all },
  adalora: { name: 'adalora', target_modules: 'all-linear' },
  vera: { name: 'vera', r: 256, target_modules: 'all-linear' },
  ia3: { name: 'ia3' },
  'adapter: houlsby': { name: 'adapter', placement: 'houlsby' },
  'adapter: pfeiffer': { name: 'adapter', placement: 'pfeiffer' },
  'adapter: parallel': { name: 'adapter', placement: 'parallel' },
  prompt_tuning: { name: 'prompt_tuning', num_virtual_tokens: 20 },
  prefix_tuning: { name: 'prefix_tuning', num_virtual_tokens: 20 },
  p_tuning: { name: 'p_tuning', num_virtual_tokens: 20 },
};

export interface Suite {
  readonly title: string;
  readonly task: 'text-classification' | 'sft';
  /** Folder of the data, and how many rows of it are learned from and measured on. */
  readonly data: string;
  readonly train: number;
  readonly validation: number;
  readonly seeds: readonly number[];
  readonly training: Readonly<Record<string, unknown>>;
  readonly metric: 'accuracy' | 'loss';
  /** Methods that its model has nothing for, or that its steps are too few for: why. */
  readonly without: Readonly<Record<string, string>>;
}

export const suites = {
  sst2: {
    title: 'SST-2, all-MiniLM-L6-v2: 2,000 rows, 3 epochs, batches of 32; accuracy on the 872 rows of validation',
    task: 'text-classification',
    data: 'sst2',
    train: 2000,
    validation: 872,
    seeds: [1, 2, 3],
    training: { num_train_epochs: 3, per_device_train_batch_size: 32, warmup_ratio: 0.1 },
    metric: 'accuracy',
    without: {},
  },
  gsm8k: {
    title:
      'gsm8k, SmolLM2-135M-Instruct: 400 rows, 1 epoch, batches of 8; loss of the answers to 100 rows of validation',
    task: 'sft',
    data: 'gsm8k',
    train: 400,
    validation: 100,
    seeds: [1],
    training: { num_train_epochs: 1, per_device_train_batch_size: 8, warmup_ratio: 0.1 },
    metric: 'loss',
    without: {
      bitfit: 'the model has no biases',
      'freeze: head': 'the task adds no head',
      'lora, int4, loftq': "the model's file is in 4 bits already, so nothing is lost that it could make up for",
      'full, unfrozen from the top': '50 steps are too few to open 30 layers, one every 10',
    },
  },
} as const satisfies Readonly<Record<string, Suite>>;
export type SuiteName = keyof typeof suites;
