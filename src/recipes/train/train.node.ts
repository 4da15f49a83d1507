/** One training run from its recipe to its folder. Reads top to bottom; the arithmetic is in the rooms below. */
import { resolve } from 'node:path';
import { isBetter, type Metrics } from '../../evaluation/index.ts';
import { type ModelSource, readModelFolder } from '../../inference/modelFolder.node.ts';
import { type Adapter, expectBase } from '../../store/adapters/index.ts';
import { fetchModel, type LocalModel } from '../../store/index.ts';
import { createRunFolder, type RunFolder, type RunRecord, refuseUsedFolder } from '../../store/runs/index.ts';
import { type StepOutcome, trainSteps } from '../../training/index.ts';
import type { Recipe } from '../schema/index.ts';
import { identify, openTarget } from '../target.node.ts';
import { partsOf } from './batches.ts';
import { breakOff, conclude } from './conclude.node.ts';
import type { OnTrainEvent, TrainEvent } from './events.ts';
import { type BaseFiles, hashBase, refuseChangedBase } from './guarding/baseFiles.node.ts';
import { refuseNotFiniteLoss } from './guarding/notFinite.ts';
import { type GuardTotals, noGuardEvents, openGuarding } from './guarding/openGuarding.ts';
import { type Measured, measure } from './measure.ts';
import { openModel, type Start, type TrainingModel } from './openModel.node.ts';
import { planSteps, type StepPlan, scheduleOf, stepBatches } from './plan.ts';
import { majorityAccuracy, type PreparedData, prepareData } from './prepareData.node.ts';
import { firstFields, memoryBytes } from './record.node.ts';
import { restoreBest, saveBest } from './saved.node.ts';
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
  readonly baseName: string;
  readonly initial: Adapter | undefined;
  readonly base: BaseFiles;
  readonly data: PreparedData;
  readonly model: TrainingModel;
  readonly plan: StepPlan;
  readonly folder: RunFolder;
  readonly options: TrainOptions;
  readonly seconds: { load: number; train: number; evaluate: number };
  readonly reached: Reached;
}

/** How far a run has come; run.json tells it however the run ends. */
export interface Reached {
  /** The last step that was done. */
  step: number;
  /** Its weights are in the run's folder. */
  best?: Best;
  guards: GuardTotals;
}

interface Best extends Measured {
  readonly step: number;
}

/** Returns what run.json holds at the end. Bad input throws before a folder is made. */
export async function runTraining(recipe: Recipe, options: TrainOptions): Promise<RunRecord> {
  const started = performance.now();
  const { onEvent, signal } = options;
  await refuseUsedFolder(recipe.output_dir);
  const local = await fetchModel(recipe.model, {
    signal,
    onProgress: (progress) => onEvent({ type: 'fetching', ...progress }),
  });
  const start = await startOf(recipe, local, signal);
  const { source, baseName, initial } = start;
  onEvent({ type: 'preparing', what: 'data' });
  const data = await prepareData(recipe, start);
  onEvent({ type: 'preparing', what: 'model' });
  const hashing = hashBase(source.folder, signal);
  // Where opening the model fails, that is the error to tell.
  hashing.catch(() => undefined);
  await using model = await openModel(recipe, start, data);
  signal.throwIfAborted();
  const base = await hashing;
  const lengths = data.train.rows.map(({ inputIds }) => inputIds.length);
  const plan = planSteps(recipe, lengths);
  const first = firstFields({ recipe, local, base, data, model, plan });
  const folder = await createRunFolder(recipe.output_dir, first);
  const seconds = { load: (performance.now() - started) / 1000, train: 0, evaluate: 0 };
  const reached = { step: 0, guards: noGuardEvents };
  const began = { source, baseName, initial, base, data, model, plan };
  const running: Running = { recipe, local, ...began, folder, options, seconds, reached };
  try {
    return await runIn(running);
  } catch (failure) {
    // Where even its end cannot be written, the first failure is still the one to tell.
    await breakOff(running, failure).catch(() => undefined);
    throw failure;
  }
}

/** The base, and with `init_from` what an earlier run made of it: another whole model, or an adapter beside the base. */
async function startOf(recipe: Recipe, local: LocalModel, signal: AbortSignal): Promise<Start> {
  const baseName = local.name;
  if (recipe.init_from === undefined) return { source: await readModelFolder(local.path), baseName };
  const { artifact, adapter } = await openTarget(recipe.init_from, signal);
  if (!adapter) return { source: await readModelFolder(artifact.folder), baseName: resolve(artifact.folder) };
  const { manifest, folder } = adapter;
  if (manifest) {
    const { name, reference } = local;
    expectBase(await identify(local.path, { name, reference }), manifest, folder);
  }
  return { source: await readModelFolder(local.path), baseName, initial: adapter };
}

async function runIn(running: Running): Promise<RunRecord> {
  const { data, folder, options, model } = running;
  options.onEvent(startedEvent(running));
  if (model.refused) options.onEvent({ type: 'note', text: model.refused });
  const measured = running.recipe.evaluation.eval_strategy !== 'no';
  const before = measured && data.validation ? (await measure(running, data.validation))?.metrics : undefined;
  if (before) {
    await folder.update({
      base_loss: before.loss,
      before: { majority: majorityAccuracy(data.validation!), ...before },
    });
    options.onEvent({ type: 'evaluation', step: 0, metrics: before, best: false });
  }
  await learn(running);
  const { step, best } = running.reached;
  if (!best) await saveBest(running);
  else if (best.step < step) await restoreBest(running);
  await refuseChangedBase(running.base);
  return conclude(running);
}

/** Trains until the steps end, nothing gets better, or the signal is aborted. */
async function learn(running: Running): Promise<void> {
  const { recipe, data, model, plan, folder, options, reached } = running;
  const { training, evaluation } = recipe;
  const steps = stepBatches(data.train.rows, { recipe, plan, partsOf: partsOf(running) });
  const guarding = openGuarding(running);
  const { guards } = guarding;
  const schedule = scheduleOf(recipe, plan);
  const loop = { schedule, maxGradientNorm: training.max_grad_norm, guards, signal: options.signal };
  const log = openStepLog({ everySteps: training.logging_steps, lastStep: plan.totalSteps });
  let worse = 0;
  for await (const record of trainSteps(model.trainer, steps, loop)) {
    const { step } = record;
    reached.step = step;
    running.seconds.train += record.seconds;
    const line = log.add(record);
    if (line) await folder.log(line);
    await guarding.tell(record);
    if (!record.incident) options.onEvent(stepEvent(record));
    if (!data.validation || !isDue(record, { evaluation, plan })) continue;
    const measured = await measure(running, data.validation);
    if (!measured) continue;
    const { metrics } = measured;
    if (step === plan.totalSteps) refuseNotFiniteLoss(step, metrics.loss);
    // The next step sees it too, and goes back.
    if (!Number.isFinite(metrics.loss)) continue;
    const metric = training.metric_for_best_model;
    const better = isBetter(metric, metrics[metric], reached.best?.metrics[metric]);
    await folder.log({ step, epoch: record.epoch, ...named(metrics) });
    options.onEvent({ type: 'evaluation', step, metrics, best: better });
    worse = better ? 0 : worse + 1;
    if (better) {
      await saveBest(running);
      reached.best = { step, ...measured };
    }
    await guarding.evaluated(metrics.loss);
    if (training.early_stopping_patience > 0 && worse >= training.early_stopping_patience) {
      options.onEvent({ type: 'note', text: `no better ${metric} in ${worse} evaluations: stopped early` });
      return;
    }
  }
  await guarding.ended();
}

const stepEvent = ({ incident: _, examples: __, ...record }: StepOutcome): TrainEvent => ({
  type: 'step',
  ...record,
  tokensPerSecond: record.tokens / record.seconds,
  memoryBytes: memoryBytes(),
});

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
