/** From the recipe's files to rows with labels. Everything is checked before any weight is loaded. */
import type { EncodedRow } from '../../../data/batch.ts';
import {
  type ClassificationExample,
  checkLabels,
  classBalance,
  classificationExamples,
  comparedText,
  labelNames,
  leakage,
  stratifiedSplit,
  throwProblems,
} from '../../../data/index.ts';
import { stream, uniform } from '../../../engine/random/index.ts';
import { type ModelSource, usableLength } from '../../../inference/modelFolder.node.ts';
import { positionsOf } from '../../../methods/index.ts';
import type { Recipe } from '../../schema/index.ts';
import type { Start } from '../../start.node.ts';
import { hashFiles, type PreparedData, type PreparedSplit, readFiles } from '../prepareData.node.ts';
import { classWeights, refuseThreshold } from './labelSettings.ts';

/** Of rows with labels. */
export interface LabelledData extends PreparedData {
  readonly train: PreparedSplit<ClassificationExample>;
}

export async function prepareLabelled(recipe: Recipe, { source, initial }: Start): Promise<LabelledData> {
  const { data, training } = recipe;
  const maxLength = usableLength(data.max_length, source, { taken: positionsOf(recipe.method) });
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
export const readExamples = (
  paths: readonly string[],
  columns: Recipe['data']['columns'],
  labels: 'required' | 'optional' = 'required',
): Promise<readonly ClassificationExample[]> =>
  readFiles(paths, (rows) => {
    const { examples: found, ...problems } = classificationExamples(rows, { columns, labels });
    return { found, ...problems };
  });

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
): PreparedSplit<ClassificationExample> {
  const numberOf = new Map(labels.map((label, i) => [label, i]));
  let truncated = 0;
  const rows = examples.map(({ text, pair, label }): EncodedRow => {
    const { inputIds, tokenTypeIds, dropped } = source.tokenizer.encode(text, { pair, maxLength });
    if (dropped > 0) truncated += 1;
    return { inputIds, tokenTypeIds, label: numberOf.get(label!)! };
  });
  return { examples, rows, truncated, dropped: 0 };
}

/** Share of the most frequent label: what an answer without thinking would score. */
export const majorityAccuracy = (examples: readonly ClassificationExample[]): number =>
  Math.max(...classBalance(examples).map(({ share }) => share));
