/** Small data sets that the tiny model can learn: one word of a text says its label. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, extname, join } from 'node:path';
import { tinyModel } from './attune.ts';

export interface Review {
  readonly text: string;
  readonly label: string;
}

/** Words by label; every word is a token of the tiny model. */
const words = { negative: 'bad', neutral: 'plot', positive: 'good' };
const filler = ['the', 'movie', 'film', 'was', 'is', 'very', 'story', 'act', 'and'];

/** Different texts, the same for the same `from`. Labels take turns, so each has its share. */
export function reviews(count: number, from = 0, labels: Readonly<Record<string, string>> = words): Review[] {
  const names = Object.keys(labels);
  return Array.from({ length: count }, (_, i) => {
    const n = from + i;
    const label = names[n % names.length]!;
    const word = labels[label]!;
    const [first, second] = [filler[(n * n + n) % 9], filler[(n * n * 5 + n * 2 + 1) % 9]];
    return { text: [word, first, second, word, letter(n), letter(Math.floor(n / 26))].join(' '), label };
  });
}

const letter = (n: number): string => String.fromCharCode(97 + (n % 26));

export const twoLabels = { negative: 'bad', positive: 'good' };

type Row = Readonly<Record<string, unknown>>;

/** Writes rows as the ending of the name says: .jsonl, .json, .csv, .tsv. Returns the name. */
export function writeRows(folder: string, name: string, rows: readonly object[]): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, textOf(extname(name), rows as readonly Row[]));
  return name;
}

function textOf(ending: string, rows: readonly Row[]): string {
  if (ending === '.json') return JSON.stringify(rows);
  if (ending === '.jsonl') return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
  const names = Object.keys(rows[0]!);
  const separator = ending === '.csv' ? ',' : '\t';
  const quoted = (cell: string) => (/[",\n\t]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell);
  const lines = [names, ...rows.map((row) => names.map((name) => String(row[name])))];
  return lines.map((cells) => `${cells.map(quoted).join(separator)}\n`).join('');
}

/** texts.jsonl: what is asked for labels. */
export const writeTexts = (folder: string, texts: readonly string[]): string =>
  writeRows(
    folder,
    'texts.jsonl',
    texts.map((text) => ({ text })),
  );

export interface RecipeChanges {
  readonly [key: string]: unknown;
  readonly data?: object;
  readonly training?: object;
}

/** 12 steps an epoch, which it learns in three; without dropout, which a model of this size does not bear. */
export function tinyRecipe({ data, training, ...others }: RecipeChanges = {}): object {
  return {
    model: tinyModel,
    task: 'text-classification',
    data: { train: 'train.jsonl', validation: 'validation.jsonl', max_length: 32, ...data },
    training: {
      num_train_epochs: 4,
      per_device_train_batch_size: 8,
      learning_rate: 0.003,
      dropout: 0,
      logging_steps: 5,
      ...training,
    },
    threads: 1,
    output_dir: 'run',
    ...others,
  };
}

/** train.jsonl, validation.jsonl and test.jsonl. */
export function writeReviews(folder: string, labels: Readonly<Record<string, string>> = words): void {
  writeRows(folder, 'train.jsonl', reviews(96, 0, labels));
  writeRows(folder, 'validation.jsonl', reviews(30, 96, labels));
  writeRows(folder, 'test.jsonl', reviews(24, 126, labels));
}
