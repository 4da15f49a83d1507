/** Rows of tokens from examples of any kind: read, held back, written, cut. */
import {
  type Compared,
  leakage,
  type Problems,
  type Row,
  stratifiedSplit,
  throwProblems,
} from '../../../data/index.ts';
import type { LengthFacts, TokenRows } from '../../../data/text/tokenRow.ts';
import { stream, uniform } from '../../../engine/random/index.ts';
import { usableLength } from '../../../inference/modelFolder.node.ts';
import { positionsOf } from '../../../methods/index.ts';
import { languageModelOf } from '../../../models/index.ts';
import type { Recipe } from '../../schema/index.ts';
import { usualOf } from '../../schema/parseRecipe.ts';
import type { Start } from '../../start.node.ts';
import { hashFiles, type PreparedData, type PreparedSplit, readFiles } from '../prepareData.node.ts';

export interface Reading<Example> {
  /** The examples of a file. */
  read(rows: readonly Row[]): Problems & { readonly found: readonly Example[] };
  /** A row in JSON, for who wrote something else. */
  readonly example: string;
  /** What is compared with other rows. */
  comparedOf(example: Example): Compared;
}

export interface Writing<Example> {
  encode(examples: readonly Example[], maxLength: number): TokenRows<Example> & Problems;
}

interface Split<Example> {
  readonly train: readonly Example[];
  readonly validation?: readonly Example[] | undefined;
  readonly test?: readonly Example[] | undefined;
}

export async function readSplits<Example>(
  recipe: Recipe,
  { source }: Start,
  reading: Reading<Example>,
): Promise<Split<Example>> {
  // A model that scores no tokens is refused before anything is read.
  languageModelOf(source.description);
  const { data, training } = recipe;
  const given = await readFiles(data.train, reading.read, reading.example);
  const validation = data.validation && (await readFiles(data.validation, reading.read, reading.example));
  const test = data.test && (await readFiles(data.test, reading.read, reading.example));
  if (validation) return { train: given, validation, test };
  const held = { fraction: data.validation_split, seed: training.seed };
  return { ...holdBackAny(given, reading, held), test };
}

/** The same rows for the same rows, share and seed; rows that repeat each other stay on one side. */
export function holdBackAny<Example>(
  examples: readonly Example[],
  { comparedOf }: Pick<Reading<Example>, 'comparedOf'>,
  { fraction, seed }: { readonly fraction: number; readonly seed: number },
): Split<Example> {
  if (fraction === 0) return { train: examples };
  const from = stream(seed, 'validation split');
  return stratifiedSplit(examples, {
    fraction,
    labelOf: () => '',
    textOf: (example) => comparedOf(example).text,
    random: (counter) => uniform(from, counter),
  });
}

export interface LanguageData extends PreparedData {
  /** Of the training rows. */
  readonly lengths: LengthFacts;
}

/** Everything that is said in all splits is checked before any weight is loaded. */
export async function prepareRows<Example>(
  recipe: Recipe,
  { source }: Start,
  { split, reading, encode }: { split: Split<Example>; reading: Reading<Example> } & Writing<Example>,
): Promise<LanguageData> {
  const { data } = recipe;
  const maxLength = usableLength(data.max_length, source, {
    usual: usualOf(recipe.task).maxLength,
    taken: positionsOf(recipe.method),
  });
  const encoded = (examples: readonly Example[]): PreparedSplit & { lengths: LengthFacts } => {
    const found = encode(examples, maxLength);
    throwProblems(found);
    const { truncated, dropped } = found.facts;
    const rows = found.rows.map((row) => ({ ...row, label: -100 }));
    return { examples: found.examples.map(reading.comparedOf), rows, truncated, dropped, lengths: found.facts };
  };
  const { lengths, ...train } = encoded(split.train);
  const compared = (examples: readonly Example[] = []): Compared[] => examples.map(reading.comparedOf);
  const known = compared(split.train);
  const held = [data.validation && split.validation, split.test].flatMap((one) => one ?? []);
  return {
    labels: [],
    train,
    ...(split.validation && { validation: encoded(split.validation) }),
    ...(split.test && { test: encoded(split.test) }),
    maxLength,
    leaked: leakage(known, compared(held)).length,
    files: await hashFiles([...data.train, ...(data.validation ?? []), ...(data.test ?? [])]),
    lengths,
  };
}
