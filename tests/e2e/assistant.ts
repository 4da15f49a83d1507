/** A small assistant: a random Llama that learns eight conversations, in English and Chinese, by heart. */
import { join } from 'node:path';

export const assistantFolder = join(import.meta.dirname, '../golden/sft');

/** All of it is trained, until it says what it was taught. */
export const assistantRecipe = {
  model: join(assistantFolder, 'model'),
  task: 'sft',
  data: { train: join(assistantFolder, 'train.jsonl'), validation_split: 0, max_length: 128 },
  training: { num_train_epochs: 60, per_device_train_batch_size: 8, learning_rate: 2e-2, save_strategy: 'no' },
  threads: 1,
  output_dir: 'full',
};

/** What LoRA needs to learn the same, as words after `attune train recipe.json`. */
export const assistantLora = [
  `method=${JSON.stringify({ name: 'lora', r: 8, target_modules: 'all-linear' })}`,
  ...['learning_rate=5e-2', 'num_train_epochs=200', 'output_dir=lora'],
];
