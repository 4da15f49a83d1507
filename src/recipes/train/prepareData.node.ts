/** From the recipe's files to rows that a model reads. Everything is checked before any weight is loaded. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { EncodedRow } from '../../data/batch.ts';
import { expandPaths, openTextFile } from '../../data/index.node.ts';
import {
  type ClassificationExample,
  checkLabels,
  checkRows,
  classBalance,
  classificationExamples,
  comparedText,
  labelNames,
  leakage,
  stratifiedSplit,
  throwProblems,
} from '../../data/index.ts';
import { stream, uniform } from '../../engine/random/index.ts';
import { type ModelSource, usableLength } from '../../inference/modelFolder.node.ts';
import type { Recipe } from '../schema/index.ts';
import { classWeights, refuseThreshold } from './labelSettings.ts';
import type { Start } from './openModel.node.ts';

export interface PreparedSplit {
  readonly examples: readonly ClassificationExample[];
  readonly rows: readonly EncodedRow[];
  /** Rows that were longer than the limit, and lost their end. */
  readonly truncated: number;
}

export interface PreparedData {
  readonly labels: readonly string[];
  /** How much a training row of each label counts; undefined where all count the same. */
  readonly classWeights: readonly number[] | undefined;
  readonly train: PreparedSplit;
  readonly validation?: PreparedSplit;
  readonly test?: PreparedSplit;
  readonly maxLength: number;
  /** Validation and test rows that repeat a training row, or nearly so: they measure memory rather than learning. */
  readonly leaked: number;
  /** sha256 of every file that was read, by its path. */
  readonly files: Readonly<Record<string, string>>;
}

export async function prepareData(recipe: Recipe, { source, initial }: Start): Promise<PreparedData> {
  const { data, training } = recipe;
  const maxLength = usableLength(data.max_length, source);
  const given = await readExamples(data.train, data.columns);
  const labels = labelOrder(given, initial?.manifest?.labels ?? source.labels);
  refuseThreshold(recipe, labels);
  const validationGiven = data.validation && (await readExamples(data.validation, data.columns));
  const test = data.test && (await readExamples(data.test, data.columns));
  for (const examples of [validationGiven, test]) if (examples) throwProblems(checkLabels(examples, labels));
  const { train, validation }: Parts = validationGiven
    ? { train: given, validation: validationGiven }
    : holdBack(given, data.validation_split, training.seed);
  const encode = (examples: readonly ClassificationExample[]) => encodeSplit(examples, { source, labels, maxLength });
  return {
    labels,
    classWeights: classWeights(recipe, labels, train),
    train: encode(train),
    validation: validation && encode(validation),
    test: test && encode(test),
    maxLength,
    leaked: [validationGiven, test].reduce((sum, held) => sum + (held ? leakage(train, held).length : 0), 0),
    files: await hashFiles([...data.train, ...(data.validation ?? []), ...(data.test ?? [])]),
  };
}

/** Examples of all files that some paths, patterns or folders name. */
export async function readExamples(
  paths: readonly string[],
  columns: Recipe['data']['columns'],
  labels: 'required' | 'optional' = 'required',
): Promise<readonly ClassificationExample[]> {
  const examples: ClassificationExample[] = [];
  for (const path of await expandPaths(paths)) {
    const checked = await checkRows(await openTextFile(path));
    throwProblems(checked);
    const found = classificationExamples(checked.rows, { columns, labels });
    throwProblems(found);
    for (const example of found.examples) examples.push(example);
  }
  return examples;
}

/** The model's own order where it knows exactly these labels, so that its head can be used. */
function labelOrder(examples: readonly ClassificationExample[], known?: readonly string[]): string[] {
  const found = labelNames(examples);
  const same = known?.length === found.length && found.every((label) => known.includes(label));
  return same ? [...known] : found;
}

interface Parts {
  readonly train: readonly ClassificationExample[];
  readonly validation?: readonly ClassificationExample[];
}

/** The same rows for the same rows, share and seed. */
export function holdBack(examples: readonly ClassificationExample[], fraction: number, seed: number): Parts {
  if (fraction === 0) return { train: examples };
  const from = stream(seed, 'validation split');
  return stratifiedSplit(examples, {
    fraction,
    labelOf: ({ label }) => label!,
    textOf: comparedText,
    random: (counter) => uniform(from, counter),
  });
}

interface Encoding {
  readonly source: ModelSource;
  readonly labels: readonly string[];
  readonly maxLength: number;
}

function encodeSplit(
  examples: readonly ClassificationExample[],
  { source, labels, maxLength }: Encoding,
): PreparedSplit {
  const numberOf = new Map(labels.map((label, i) => [label, i]));
  let truncated = 0;
  const rows = examples.map(({ text, pair, label }): EncodedRow => {
    const { inputIds, tokenTypeIds, dropped } = source.tokenizer.encode(text, { pair, maxLength });
    if (dropped > 0) truncated += 1;
    return { inputIds, tokenTypeIds, label: numberOf.get(label!)! };
  });
  return { examples, rows, truncated };
}

export async function hashFiles(paths: readonly string[]): Promise<Record<string, string>> {
  const hashes: Record<string, string> = {};
  for (const path of await expandPaths(paths)) {
    const hash = createHash('sha256');
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
    hashes[path] = hash.digest('hex');
  }
  return hashes;
}

/** Share of the most frequent label: what an answer without thinking would score. */
export const majorityAccuracy = ({ examples }: PreparedSplit): number =>
  Math.max(...classBalance(examples).map(({ share }) => share));
