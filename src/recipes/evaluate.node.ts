/** Metrics of a trained classifier on labelled data. */
import { availableParallelism } from 'node:os';
import { checkLabels, throwProblems } from '../data/index.ts';
import { evaluateClassifier, type Metrics } from '../evaluation/index.ts';
import { openClassifier } from '../inference/classifier.node.ts';
import { evaluateLanguage } from './evaluateLanguage.node.ts';
import { isLanguageModel } from './kindOf.node.ts';
import { noData } from './noData.ts';
import { ownExamples } from './ownData.node.ts';
import { openTarget } from './target.node.ts';
import { readExamples } from './train/tasks/classificationData.node.ts';

export interface EvaluateOptions {
  /** Labelled files; left out, a run's own test data, or else its validation data, given or held back. */
  readonly data?: readonly string[];
  readonly signal: AbortSignal;
}

export interface TargetEvaluation {
  readonly metrics: Metrics;
  readonly examples: number;
}

const DEFAULT_BATCH = 64;

export async function evaluateTarget(reference: string, { data, signal }: EvaluateOptions): Promise<TargetEvaluation> {
  const target = await openTarget(reference, signal);
  if (await isLanguageModel(target)) return await evaluateLanguage(target, { reference, data, signal });
  const { artifact, run, recipe, maxLength: trainedLength } = target;
  const own = async () => (run && recipe ? await ownExamples(run, recipe) : undefined);
  const examples = data ? await readExamples(data, recipe?.data.columns) : await own();
  if (!examples) throw noData(reference);
  const batchSize = recipe?.evaluation.per_device_eval_batch_size ?? DEFAULT_BATCH;
  const options = { threads: availableParallelism(), maxLength: trainedLength, batchSize };
  await using model = await openClassifier(artifact, options);
  throwProblems(checkLabels(examples, model.labels));
  const { maxLength, source } = model;
  const { tokenizer } = source;
  const rows = examples.map(({ text, pair, label }) => ({
    ...tokenizer.encode(text, { pair, maxLength }),
    label: model.labels.indexOf(label!),
  }));
  const { scorer, labels, threshold } = model;
  const { padTokenId } = tokenizer;
  return await evaluateClassifier(rows, { scorer, padTokenId, numLabels: labels.length, batchSize, threshold, signal });
}
