/** What tasks of language models share in a run: they differ in where their rows come from. */
import { IGNORED } from '../../../data/batch.ts';
import { evaluateLanguageModel } from '../../../evaluation/index.ts';
import { openTokenScorer } from '../../../inference/index.ts';
import { basePrecisionOf } from '../../../methods/index.ts';
import { languageModelOf } from '../../../models/index.ts';
import { packedTokenInputs, tokenInputs } from '../../../models/nn/index.ts';
import { causalLm } from '../../../tasks/index.ts';
import { priorLoss } from '../guarding/notLearning.ts';
import type { PreparedSplit } from '../prepareData.node.ts';
import type { RunTask } from './task.ts';

/** Where a recipe sets no limit, evaluation has one: the scores of all words for each token are held at once. */
const TOKENS_AT_ONCE = 1024;

export const languageModelTask = (prepare: RunTask['prepare']): RunTask => ({
  prepare,
  inputs: { plain: tokenInputs, packed: packedTokenInputs },
  forward: (description, _, learning) =>
    causalLm(description, { labelSmoothing: learning?.label_smoothing_factor ?? 0 }),
  openScorer: openTokenScorer,
  keepsFeatures: false,
  // Who takes 4 bits wants memory: as PEFT's prepare_model_for_kbit_training has it.
  recompute({ training, method }) {
    return (training.gradient_checkpointing ?? basePrecisionOf(method) === 'int4') ? 'all' : 'cheap';
  },
  probesMemory: true,
  async measure({ recipe, split, scorer, padTokenId, signal }) {
    const { per_device_eval_batch_size: batchSize } = recipe.evaluation;
    const tokensAtOnce = recipe.training.micro_batch_tokens || TOKENS_AT_ONCE;
    return await evaluateLanguageModel(split.rows, { scorer, padTokenId, batchSize, tokensAtOnce, signal });
  },
  prior: ({ train, validation }, { training }) => ({
    training: priorLoss(tokenCounts(train), { labelSmoothing: training.label_smoothing_factor }),
    validation: validation && priorLoss(tokenCounts(validation)),
    of: 'how often each token comes',
    startsAbove: true,
  }),
  hasLabels: false,
  modelConfig: ({ configFields: { _name_or_path: _, ...kept }, description }) => ({
    ...kept,
    architectures: [languageModelOf(description).architectureName],
    dtype: 'float32',
  }),
  className: ({ description }) => languageModelOf(description).architectureName,
  headModules: () => [],
  peftTask: 'CAUSAL_LM',
});

/** How often each token is to be learned. */
function tokenCounts({ rows }: PreparedSplit): number[] {
  const counts = new Map<number, number>();
  for (const { labels = [] } of rows) {
    for (const id of labels) if (id !== IGNORED) counts.set(id, (counts.get(id) ?? 0) + 1);
  }
  return [...counts.values()];
}
