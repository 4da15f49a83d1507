/** One training run from its recipe to its folder. Reads top to bottom; the arithmetic is in the rooms below. */
import type { ModelSource } from '../../inference/modelFolder.node.ts';
import type { Adapter } from '../../store/adapters/index.ts';
import { fetchModel, type LocalModel } from '../../store/index.ts';
import {
  createRunFolder,
  type RunFolder,
  type RunRecord,
  refuseUsedFolder,
  reopenRunFolder,
} from '../../store/runs/index.ts';
import type { Recipe } from '../schema/index.ts';
import { startOf } from '../start.node.ts';
import { breakOff, conclude } from './conclude.node.ts';
import type { OnTrainEvent } from './events.ts';
import { type BaseFiles, hashBase, refuseChangedBase } from './guarding/baseFiles.node.ts';
import { type GuardingState, type GuardTotals, noGuardEvents } from './guarding/openGuarding.ts';
import { learn } from './learn.node.ts';
import { openModel, type TrainingModel } from './openModel.node.ts';
import { planSteps, type StepPlan } from './plan.ts';
import type { PreparedData } from './prepareData.node.ts';
import { firstFields } from './record.node.ts';
import { identityOf } from './resume/identity.node.ts';
import { finishedRun, resume } from './resume/resume.node.ts';
import { refuseTooLarge } from './resume/space.ts';
import { restoreBest, saveBest } from './saving/saved.node.ts';
import type { Unlogged } from './stepLog.ts';
import { type Measured, type RunTask, runTasks } from './tasks/index.ts';

export interface TrainOptions {
  readonly onEvent: OnTrainEvent;
  /** Aborted: the step under way is finished, and the run ends as `stopped`. */
  readonly signal: AbortSignal;
  /** Goes on from the newest whole checkpoint in the recipe's folder; starts where there is none. */
  readonly resume?: boolean;
  /** Resumes also where settings, training data or code changed, if the saved state still means the same. */
  readonly allowChanges?: boolean;
}

/** What the parts of a run share. */
export interface Running {
  readonly recipe: Recipe;
  readonly local: LocalModel;
  readonly source: ModelSource;
  readonly baseName: string;
  readonly baseReference: string | undefined;
  readonly initial: Adapter | undefined;
  readonly base: BaseFiles;
  readonly task: RunTask;
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
  /** The last step that was done, and how much of the data had been seen after it. */
  step: number;
  epoch: number;
  /** The evaluation that is due after that step has not been done. */
  isUnmeasured: boolean;
  /** Evaluations since the best one. */
  worse: number;
  /** Steps since the last line of metrics.jsonl. */
  readonly unlogged: Unlogged[];
  /** Its weights are in the run's folder. */
  best?: Best;
  guards: GuardTotals;
  /** What a checkpoint remembers of the guards: they go on from there. */
  guarding?: GuardingState;
}

interface Best extends Measured {
  readonly step: number;
}

/** Returns what run.json holds at the end. Bad input throws before a folder is made, or a run in it is changed. */
export async function runTraining(recipe: Recipe, options: TrainOptions): Promise<RunRecord> {
  const finished = options.resume ? await finishedRun(recipe, options.allowChanges ?? false) : undefined;
  if (finished) {
    options.onEvent({ type: 'note', text: 'the run is over: there is nothing left to do' });
    return finished;
  }
  await using earlier = options.resume ? await reopenRunFolder(recipe.output_dir) : undefined;
  if (!earlier) await refuseUsedFolder(recipe.output_dir);
  return await prepareAndRun(recipe, options, earlier);
}

/** `earlier`: the folder of the run that goes on. */
async function prepareAndRun(recipe: Recipe, options: TrainOptions, earlier?: RunFolder): Promise<RunRecord> {
  const started = performance.now();
  const { onEvent, signal } = options;
  const local = await fetchModel(recipe.model, {
    signal,
    onProgress: (progress) => onEvent({ type: 'fetching', ...progress }),
  });
  const start = await startOf(recipe, local, signal);
  onEvent({ type: 'preparing', what: 'data' });
  const task = runTasks[recipe.task];
  const data = await task.prepare(recipe, start, beganAt(earlier));
  onEvent({ type: 'preparing', what: 'model' });
  const hashing = hashBase(start.source.folder, signal);
  // Where opening the model fails, that is the error to tell.
  hashing.catch(() => undefined);
  const lengths = data.train.rows.map(({ inputIds }) => inputIds.length);
  const plan = planSteps(recipe, lengths);
  await using model = await openModel(recipe, start, { task, data, plan });
  const base = await hashing;
  const identity = await identityOf({ recipe, start, base, data, model, plan });
  signal.throwIfAborted();
  await refuseTooLarge(recipe, model, plan);
  const first = firstFields({ recipe, local, base, data, model, plan, identity });
  await using folder = earlier ?? (await createRunFolder(recipe.output_dir, first));
  const seconds = { load: (performance.now() - started) / 1000, train: 0, evaluate: 0 };
  const reached: Reached = { step: 0, epoch: 0, isUnmeasured: false, worse: 0, unlogged: [], guards: noGuardEvents };
  const { source, baseName, baseReference, initial } = start;
  const began = { source, baseName, baseReference, initial, base, task, data, model, plan };
  const running: Running = { recipe, local, ...began, folder, options, seconds, reached };
  const { damaged } = earlier ? await resume(running, first) : { damaged: [] };
  try {
    return await runIn(running, damaged);
  } catch (failure) {
    // Where even its end cannot be written, the first failure is still the one to tell.
    await breakOff(running, failure).catch(() => undefined);
    throw failure;
  }
}

/** A run that goes on tells chat templates the day on which it began. */
function beganAt(earlier: RunFolder | undefined): Date {
  const at = earlier?.record['started_at'];
  return typeof at === 'string' ? new Date(at) : new Date();
}

async function runIn(running: Running, damaged: readonly number[]): Promise<RunRecord> {
  const { options, model } = running;
  options.onEvent(startedEvent(running));
  for (const text of model.notes) options.onEvent({ type: 'note', text });
  await learn(running, damaged);
  const { step, best } = running.reached;
  if (!best) await saveBest(running);
  else if (best.step < step) await restoreBest(running);
  await refuseChangedBase(running.base);
  return conclude(running);
}

function startedEvent({ recipe, data, model, plan, reached }: Running) {
  const splits = [data.train, data.validation, data.test];
  return {
    type: 'started',
    outputDir: recipe.output_dir,
    firstStep: reached.step,
    totalSteps: plan.totalSteps,
    epochs: plan.epochs,
    labels: data.labels,
    rows: {
      train: data.train.rows.length,
      validation: data.validation?.rows.length ?? 0,
      test: data.test?.rows.length ?? 0,
    },
    truncated: splits.reduce((sum, split) => sum + (split?.truncated ?? 0), 0),
    dropped: splits.reduce((sum, split) => sum + (split?.dropped ?? 0), 0),
    lostEnds: data.chat?.lengths.lostEnds ?? 0,
    unknownEnds: data.chat?.unknownEnds ?? [],
    leaked: data.leaked,
    maxLength: data.maxLength,
    totalParameters: model.totalParameters,
    trainableParameters: model.trainableParameters,
    fresh: model.fresh,
  } as const;
}
