/** The weights as they are now against a split: figures, and where a task has them the answers behind them. */
import { chooseThreshold, metricsWith } from '../../evaluation/index.ts';
import type { FeatureSource } from '../../training/index.ts';
import type { PreparedSplit } from './prepareData.node.ts';
import type { Measured } from './tasks/index.ts';
import type { Running } from './train.node.ts';

/** Undefined where the signal was aborted meanwhile: a long evaluation does not keep a run from stopping. */
export async function measure(
  { recipe, source, task, data, model, seconds, options }: Running,
  split: PreparedSplit,
  threshold = fixedThreshold(recipe),
): Promise<Measured | undefined> {
  const started = performance.now();
  const { signal } = options;
  const kept = split === data.validation ? model.frozen : undefined;
  const { padTokenId } = source.tokenizer;
  const scorer = kept?.scorer ?? model.scorer;
  const feedsOf = kept?.validation && featureFeeds(kept.validation, signal);
  try {
    return await task.measure({ recipe, data, split, scorer, feedsOf, padTokenId, threshold, signal });
  } catch (failure) {
    if (failure === signal.reason) return undefined;
    throw failure;
  } finally {
    seconds.evaluate += (performance.now() - started) / 1000;
  }
}

/**
 * What the model answered before it learned anything. Called before the first evaluation: a run makes its first steps at
 * once, and what is trained steps back for this one measurement. Nothing is noted where the signal was aborted meanwhile.
 */
export async function measureBefore(running: Running): Promise<void> {
  const { task, data, model, folder, options } = running;
  if (!data.validation || folder.record.base_loss !== null) return;
  const trained = [...model.memory.trained.values()].map(({ arrays: { weight } }) => ({
    weight,
    kept: weight.slice(),
  }));
  await model.reload();
  const measured = await measure(running, data.validation);
  for (const { weight, kept } of trained) weight.set(kept);
  if (!measured) return;
  const { metrics } = measured;
  const majority = task.majority?.(data.validation);
  const before = { ...(majority !== undefined && { majority }), ...metrics };
  await folder.update({ base_loss: metrics.loss, before });
  options.onEvent({ type: 'evaluation', step: 0, metrics, best: false });
}

const featureFeeds = (source: FeatureSource, signal: AbortSignal) => async (rows: readonly number[]) => {
  if (!(await source.prepare(rows, signal))) signal.throwIfAborted();
  return source.feeds(rows);
};

/** A threshold that is to be chosen is chosen at the end: until then the likelier label is answered. */
export function fixedThreshold({ evaluation: { threshold } }: Running['recipe']): number | undefined {
  return threshold === 'auto' ? undefined : threshold;
}

/** The threshold of the finished model, chosen on the validation rows alone; undefined where the likelier label wins. */
export function settledThreshold({ recipe, reached: { best } }: Running): number | undefined {
  return recipe.evaluation.threshold === 'auto'
    ? best?.answers && chooseThreshold(best.answers)
    : fixedThreshold(recipe);
}

export const remeasured = (measured: Measured, threshold: number | undefined): Measured => {
  const { metrics, answers } = measured;
  return answers ? { metrics: metricsWith(threshold, answers, metrics), answers } : measured;
};
