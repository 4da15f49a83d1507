/** One training run from its recipe to its folder. Reads top to bottom; the arithmetic is in the rooms below. */
import { evaluateClassifier, isBetter, type Metrics } from '../../evaluation/index.ts';
import { type ModelSource, readModelFolder } from '../../inference/modelFolder.node.ts';
import { fetchModel, type LocalModel } from '../../store/index.ts';
import { createRunFolder, type RunFolder, type RunRecord } from '../../store/runs/index.ts';
import { trainSteps } from '../../training/index.ts';
import type { Recipe } from '../schema/index.ts';
import type { OnTrainEvent } from './events.ts';
import { openModel, type TrainingModel } from './openModel.node.ts';
import { planSteps, type StepPlan, scheduleOf, stepBatches } from './plan.ts';
import { majorityAccuracy, type PreparedData, type PreparedSplit, prepareData } from './prepareData.node.ts';
import { failureFields, finalFields, firstFields, memoryBytes } from './record.node.ts';
import { restoreModel, saveModel } from './savedModel.node.ts';
import { openStepLog } from './stepLog.ts';

export interface TrainOptions {
  readonly onEvent: OnTrainEvent;
  /** Aborted: the step under way is finished, and the run ends as `stopped`. */
  readonly signal: AbortSignal;
}

/** What the parts of a run share. */
export interface Running {
  readonly recipe: Recipe;
  readonly local: LocalModel;
  readonly source: ModelSource;
  readonly data: PreparedData;
  readonly model: TrainingModel;
  readonly plan: StepPlan;
  readonly folder: RunFolder;
  readonly options: TrainOptions;
  readonly seconds: { load: number; train: number; evaluate: number };
}

interface Best {
  readonly step: number;
  readonly metrics: Metrics;
}

/** Returns what run.json holds at the end. Bad input throws before a folder is made. */
export async function runTraining(recipe: Recipe, options: TrainOptions): Promise<RunRecord> {
  const started = performance.now();
  const { onEvent, signal } = options;
  const local = await fetchModel(recipe.model, {
    signal,
    onProgress: (progress) => onEvent({ type: 'fetching', ...progress }),
  });
  const source = await readModelFolder(local.path);
  onEvent({ type: 'preparing', what: 'data' });
  const data = await prepareData(recipe, source);
  onEvent({ type: 'preparing', what: 'model' });
  await using model = await openModel(recipe, source, data.labels);
  signal.throwIfAborted();
  const plan = planSteps(recipe, data.train.rows.length);
  const first = firstFields({ recipe, local, data, model, plan });
  const folder = await createRunFolder(recipe.output_dir, first);
  const seconds = { load: (performance.now() - started) / 1000, train: 0, evaluate: 0 };
  const running: Running = { recipe, local, source, data, model, plan, folder, options, seconds };
  try {
    return await runIn(running);
  } catch (failure) {
    await folder.update(failureFields(failure, running));
    throw failure;
  }
}

async function runIn(running: Running): Promise<RunRecord> {
  const { data, folder, options } = running;
  options.onEvent(startedEvent(running));
  const measured = running.recipe.evaluation.eval_strategy !== 'no';
  const before = measured && data.validation ? await measure(running, data.validation) : undefined;
  if (before) {
    await folder.update({
      base_loss: before.loss,
      before: { majority: majorityAccuracy(data.validation!), ...before },
    });
    options.onEvent({ type: 'evaluation', step: 0, metrics: before, best: false });
  }
  const { best, step, stopped } = await learn(running);
  if (!best || step === 0) await saveModel(running);
  else if (best.step < step) await restoreModel(running);
  const tested = data.test && !stopped ? await measure(running, data.test) : undefined;
  const metrics = tested ?? best?.metrics ?? null;
  return folder.update(await finalFields(running, { metrics, bestStep: best?.step ?? step, step, stopped }));
}

interface Learned {
  readonly best?: Best;
  /** The last step that was done. */
  readonly step: number;
  readonly stopped: boolean;
}

async function learn(running: Running): Promise<Learned> {
  const { recipe, source, data, model, plan, folder, options } = running;
  const { training, evaluation } = recipe;
  const padTokenId = source.tokenizer.padTokenId;
  const steps = stepBatches(data.train.rows, { recipe, plan, padTokenId });
  const loop = { schedule: scheduleOf(recipe, plan), maxGradientNorm: training.max_grad_norm, signal: options.signal };
  const log = openStepLog(training.logging_steps);
  let best: Best | undefined;
  let step = 0;
  let worse = 0;
  for await (const record of trainSteps(model.trainer, steps, loop)) {
    step = record.step;
    running.seconds.train += record.seconds;
    const line = log.add(record);
    if (line) await folder.log(line);
    const tokensPerSecond = record.tokens / record.seconds;
    options.onEvent({ type: 'step', ...record, tokensPerSecond, memoryBytes: memoryBytes() });
    if (!data.validation || !isDue(record, { evaluation, plan })) continue;
    const metrics = await measure(running, data.validation);
    const metric = training.metric_for_best_model;
    const better = isBetter(metric, metrics[metric], best?.metrics[metric]);
    await folder.log({ step, epoch: record.epoch, ...named(metrics) });
    options.onEvent({ type: 'evaluation', step, metrics, best: better });
    worse = better ? 0 : worse + 1;
    if (better) {
      best = { step, metrics };
      await saveModel(running);
    }
    if (training.early_stopping_patience > 0 && worse >= training.early_stopping_patience) {
      options.onEvent({ type: 'note', text: `no better ${metric} in ${worse} evaluations: stopped early` });
      return { best, step, stopped: false };
    }
  }
  return { best, step, stopped: options.signal.aborted };
}

const named = (metrics: Metrics): object =>
  Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`eval_${name}`, value]));

interface Due {
  readonly evaluation: Recipe['evaluation'];
  readonly plan: StepPlan;
}

function isDue(record: { step: number; lastOfEpoch: boolean }, { evaluation, plan }: Due): boolean {
  if (evaluation.eval_strategy === 'no') return false;
  if (record.step === plan.totalSteps) return true;
  return evaluation.eval_strategy === 'epoch' ? record.lastOfEpoch : record.step % evaluation.eval_steps! === 0;
}

async function measure({ recipe, source, data, model, seconds }: Running, split: PreparedSplit): Promise<Metrics> {
  const started = performance.now();
  const { metrics } = await evaluateClassifier(split.rows, {
    scorer: model.scorer,
    padTokenId: source.tokenizer.padTokenId,
    numLabels: data.labels.length,
    batchSize: recipe.evaluation.per_device_eval_batch_size,
  });
  seconds.evaluate += (performance.now() - started) / 1000;
  return metrics;
}

function startedEvent({ recipe, data, model, plan }: Running) {
  const splits = [data.train, data.validation, data.test];
  return {
    type: 'started',
    outputDir: recipe.output_dir,
    totalSteps: plan.totalSteps,
    epochs: plan.epochs,
    labels: data.labels,
    rows: {
      train: data.train.rows.length,
      validation: data.validation?.rows.length ?? 0,
      test: data.test?.rows.length ?? 0,
    },
    truncated: splits.reduce((sum, split) => sum + (split?.truncated ?? 0), 0),
    leaked: data.leaked,
    maxLength: data.maxLength,
    totalParameters: model.totalParameters,
    trainableParameters: model.trainableParameters,
    fresh: model.fresh,
  } as const;
}
