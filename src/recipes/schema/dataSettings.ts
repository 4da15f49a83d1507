import { z } from 'zod';
import { chatFormatNames } from '../../data/chat/conversations.ts';

const places = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).transform(asList);

function asList(value: string | string[]): string[] {
  return typeof value === 'string' ? [value] : value;
}

const takes = 'a path, a glob, a folder, or a list of them';
const columnName = z.string().min(1).optional();

/** Declared here once; `training` takes it too, as trainers of other projects write it there. */
export const maxLength = z.int().min(8);

const column = (description: string) =>
  columnName.meta({ description, defaultText: 'found by name', takes: 'a column name' });

const columnSettings = z.strictObject({
  text: column('Column with the text.'),
  pair: column('Column with the second text, for tasks on pairs of sentences.'),
  label: column('Column with the label.'),
  messages: column('Of `sft`: column with the list of messages.'),
  prompt: column('Of `sft`: column with the question, a text or a list of messages.'),
  completion: column('Of `sft`: column with the answer to `prompt`.'),
  instruction: column('Of `sft`: column with the instruction.'),
  input: column('Of `sft`: column with what stands below the instruction.'),
  output: column('Of `sft`: column with the answer to the instruction.'),
  system: column('Of `sft`: column with the system message.'),
  history: column('Of `sft`: column with the turns before the instruction, as pairs.'),
  tools: column('Of `sft`: column with the tools that a row offers.'),
});

export const dataSettings = z.strictObject({
  train: places.meta({
    description: 'The examples to learn from. Relative paths start at the current working folder.',
    takes,
    aliases: ['dataset', 'datasets', 'dataset_name', 'dataset_path', 'train_file', 'train_data', 'training_file'],
  }),
  validation: places.optional().meta({
    description: 'The examples that choose the best checkpoint.',
    takes,
    defaultText: 'a part of `train`, see `validation_split`',
    aliases: ['valid', 'val', 'dev', 'validation_file', 'validation_data', 'eval_dataset', 'eval_data'],
  }),
  test: places.optional().meta({
    description: 'The examples that the final figures are measured on. They never choose a checkpoint.',
    takes,
    aliases: ['test_file', 'test_data'],
  }),
  columns: columnSettings.optional().meta({
    description: 'Names of the columns, where they are not the usual ones.',
    defaultText: 'found by name',
  }),
  validation_split: z
    .number()
    .min(0)
    .max(0.5)
    .optional()
    .meta({
      description: 'Share of `train` that is held back for validation when there is no `validation`; 0 = none.',
      defaultText: '0.1 without `validation`, else 0',
      aliases: ['val_set_size', 'val_size', 'validation_size', 'validation_ratio', 'test_size'],
    }),
  max_length: maxLength.optional().meta({
    description:
      'Longer inputs are cut to this length. Of `causal-lm` a longer text becomes several. The model has its own upper limit.',
    unit: 'tokens',
    defaultText: '`128`; `512` for `sft` and `causal-lm`; less where the model has fewer positions',
    aliases: ['cutoff_len', 'sequence_len', 'max_seq_length', 'max_seq_len', 'model_max_length', 'maxContextLength'],
  }),
  format: z
    .enum(['auto', ...chatFormatNames, 'text'])
    .default('auto')
    .meta({
      description:
        'What a row is: of `sft` messages, prompt_completion, alpaca or sharegpt, of `causal-lm` text. auto = by the columns.',
      aliases: ['formatting', 'dataset_format', 'dataset_type', 'prompt_format'],
    }),
  chat_template: z
    .string()
    .min(1)
    .default('auto')
    .meta({
      description:
        "Of `sft`: how a conversation is written. auto = the model's own, or that of the adapter in `init_from`; without one chatml where the tokenizer has its tokens, else plain. Or chatml, plain, a file that ends in .jinja, or the template itself.",
      takes: 'auto, chatml, plain, a .jinja file, or the text of a template',
      aliases: ['template', 'chat_template_path', 'jinjaTemplate', 'jinja_template'],
    }),
  on_empty_labels: z
    .enum(['error', 'drop'])
    .default('error')
    .meta({
      description: 'Of `sft`: what is done with a row that has nothing left to learn once it is cut to `max_length`.',
      aliases: ['drop_empty_rows', 'remove_empty_labels'],
    }),
  packing: z
    .boolean()
    .default(false)
    .meta({
      description:
        'Puts several short texts of a batch into one sequence while learning. None sees the others, and gradients are the same: rows come in plain random order, and hardly anything is padded.',
      aliases: ['sample_packing', 'neat_packing', 'padding_free', 'pack_sequences', 'packed'],
    }),
});
