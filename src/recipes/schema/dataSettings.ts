import { z } from 'zod';

const places = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]).transform(asList);

function asList(value: string | string[]): string[] {
  return typeof value === 'string' ? [value] : value;
}

const takes = 'a path, a glob, a folder, or a list of them';
const columnName = z.string().min(1).optional();

/** Declared here once; `training` takes it too, as trainers of other projects write it there. */
export const maxLength = z.int().min(8);

const columnSettings = z.strictObject({
  text: columnName.meta({ description: 'Column with the text.', defaultText: 'found by name', takes: 'a column name' }),
  pair: columnName.meta({
    description: 'Column with the second text, for tasks on pairs of sentences.',
    defaultText: 'found by name',
    takes: 'a column name',
  }),
  label: columnName.meta({
    description: 'Column with the label.',
    defaultText: 'found by name',
    takes: 'a column name',
  }),
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
  max_length: maxLength.default(128).meta({
    description: 'Longer inputs are cut to this length. The model has its own upper limit.',
    unit: 'tokens',
    aliases: ['cutoff_len', 'sequence_len', 'max_seq_length', 'max_seq_len', 'model_max_length', 'maxContextLength'],
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
