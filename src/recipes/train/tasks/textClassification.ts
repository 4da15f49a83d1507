/** One label for a text, in a run. */
import { classBalance } from '../../../data/index.ts';
import { evaluateClassifier } from '../../../evaluation/index.ts';
import { openScorer } from '../../../inference/index.ts';
import { classificationOf } from '../../../models/index.ts';
import { batchInputs, packedInputs } from '../../../models/nn/index.ts';
import { classify } from '../../../tasks/index.ts';
import { classifierConfig, classifierFiles } from '../../classifierConfig.ts';
import { type Prior, priorLoss } from '../guarding/notLearning.ts';
import type { PreparedData, PreparedSplit } from '../prepareData.node.ts';
import { majorityAccuracy, prepareLabelled } from './classificationData.node.ts';
import type { Measured, Measuring, RunTask } from './task.ts';

export const textClassification: RunTask = {
  prepare: prepareLabelled,
  inputs: { plain: batchInputs, packed: packedInputs },
  forward: (description, { labels, classWeights }, learning) =>
    classify(description, {
      numLabels: labels.length,
      ...(learning && { labelSmoothing: learning.label_smoothing_factor, classWeights }),
    }),
  openScorer,
  keepsFeatures: true,
  recompute: ({ training }) => (training.gradient_checkpointing ? 'all' : 'none'),
  probesMemory: false,
  measure,
  majority: ({ examples }) => majorityAccuracy(examples),
  prior: (data, { training }): Prior => {
    const criterion = { classWeights: data.classWeights, labelSmoothing: training.label_smoothing_factor };
    return {
      training: priorLoss(countsOf(data, data.train), criterion),
      validation: data.validation && priorLoss(countsOf(data, data.validation)),
      of: "the labels' shares",
    };
  },
  hasLabels: true,
  modelConfig: (source, { labels }) => classifierConfig(source, labels),
  modelFiles: classifierFiles,
  className: ({ description }) => classificationOf(description).architectureName,
  headModules: ({ description }) => [classificationOf(description).head],
  peftTask: 'SEQ_CLS',
};

const countsOf = ({ labels }: PreparedData, { examples }: PreparedSplit): number[] =>
  classBalance(examples, labels).map(({ count }) => count);

async function measure({ recipe, data, split, signal, ...options }: Measuring): Promise<Measured> {
  const { rows } = split;
  const numLabels = data.labels.length;
  const logits = new Float32Array(rows.length * numLabels);
  const { metrics } = await evaluateClassifier(rows, {
    ...options,
    numLabels,
    batchSize: recipe.evaluation.per_device_eval_batch_size,
    signal,
    onScores: (row, scores) => logits.set(scores, row * numLabels),
  });
  return { metrics, answers: { numLabels, truths: rows.map(({ label }) => label), logits } };
}
