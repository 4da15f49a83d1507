import type { Line, Paths } from './template.ts';

interface Wishes {
  readonly paths: Paths;
  /** What is to be said of a key in this template. */
  readonly notes: Readonly<Record<'model' | 'epochs' | 'best', readonly string[]>>;
  readonly columns: Readonly<Record<string, string>>;
  /** The usual names are found without being told, so that the line is only an offer. */
  readonly findsColumns: boolean;
  readonly epochs: number;
}

/** The settings that a first recipe for classification shows. */
export function classificationLines({ paths, notes, columns, findsColumns, epochs }: Wishes): Line[] {
  return [
    { key: 'model', value: 'sentence-transformers/all-MiniLM-L6-v2', note: notes.model },
    { key: 'task', value: 'text-classification' },
    { key: 'data.train', value: paths.data },
    { key: 'data.validation', value: 'validation.jsonl', isOffered: true },
    { key: 'data.columns', value: columns, ...(findsColumns && { isOffered: true }) },
    { key: 'data.validation_split', value: 0.25 },
    { key: 'data.max_length', value: 128, isOffered: true },
    { key: 'method', value: 'full' },
    { key: 'training.num_train_epochs', value: epochs, note: notes.epochs },
    { key: 'training.per_device_train_batch_size', value: 6 },
    { key: 'training.learning_rate' },
    { key: 'training.metric_for_best_model', value: 'loss', note: notes.best },
    { key: 'training.seed' },
    { key: 'output_dir', value: paths.run },
  ];
}
