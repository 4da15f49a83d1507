/** Metrics of a trained classifier on labelled data. */
import { availableParallelism } from 'node:os';
import type { EncodedRow } from '../data/batch.ts';
import { type ClassificationExample, checkLabels, throwProblems } from '../data/index.ts';
import { evaluateClassifier, type Metrics } from '../evaluation/index.ts';
import { type Classifier, openClassifier } from '../inference/classifier.node.ts';
import { evaluateLanguage } from './evaluateLanguage.node.ts';
import { isLanguageModel } from './kindOf.node.ts';
import { noData } from './noData.ts';
import { ownExamples } from './ownData.node.ts';
import { openTarget, type Target } from './target.node.ts';
import { readExamples } from './train/tasks/classificationData.node.ts';

export interface EvaluateOptions {
  /** Labelled files; left out, a run's own test data, or else its validation data, given or held back. */
  readonly data?: readonly string[];
  readonly signal: AbortSignal;
}

export interface TargetEvaluation {
  readonly metrics: Metrics;
  readonly examples: number;
  /** Rows that were cut to `maxLength` tokens, and those of a language model that had nothing left to measure. */
  readonly truncated: number;
  readonly dropped: number;
  readonly maxLength: number;
}

const DEFAULT_BATCH = 64;

export async function evaluateTarget(reference: string, { data, signal }: EvaluateOptions): Promise<TargetEvaluation> {
  const target = await openTarget(reference, signal);
  if (await isLanguageModel(target)) return await evaluateLanguage(target, { reference, data, signal });
  const { artifact, recipe, maxLength } = target;
  const examples = await labelledExamples(target, data);
  if (!examples) throw noData(reference);
  const batchSize = recipe?.evaluation.per_device_eval_batch_size ?? DEFAULT_BATCH;
  await using model = await openClassifier(artifact, { threads: availableParallelism(), maxLength, batchSize });
  const { scorer, labels, threshold, source } = model;
  const { padTokenId } = source.tokenizer;
  const options = { scorer, padTokenId, numLabels: labels.length, batchSize, threshold, signal };
  const rows = labelledRows(examples, model);
  const { metrics } = await evaluateClassifier(rows, options);
  const truncated = rows.filter(({ dropped }) => dropped > 0).length;
  return { metrics, examples: rows.length, truncated, dropped: 0, maxLength: model.maxLength };
}

/** Of the files that are given, or a run's own; undefined where there are none. */
export async function labelledExamples(
  { run, recipe }: Target,
  data: readonly string[] | undefined,
): Promise<readonly ClassificationExample[] | undefined> {
  if (data) return await readExamples(data, recipe?.data.columns);
  return run && recipe ? await ownExamples(run, recipe) : undefined;
}

/** Examples as the model reads them, and how many tokens each lost. Refuses labels that it does not know. */
export function labelledRows(
  examples: readonly ClassificationExample[],
  { labels, maxLength, source }: Classifier,
): readonly (EncodedRow & { readonly dropped: number })[] {
  throwProblems(checkLabels(examples, labels));
  return examples.map(({ text, pair, label }) => ({
    ...source.tokenizer.encode(text, { pair, maxLength }),
    label: labels.indexOf(label!),
  }));
}
