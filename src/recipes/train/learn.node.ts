/** The steps of a run: each is logged, measured where that is due, and kept where a checkpoint is due. */
import { isBetter, type Metrics } from '../../evaluation/index.ts';
import { type StepOutcome, trainSteps } from '../../training/index.ts';
import { count } from '../figures.ts';
import type { Recipe } from '../schema/index.ts';
import { partsOf } from './batches.ts';
import type { TrainEvent } from './events.ts';
import { refuseNotFiniteLoss } from './guarding/notFinite.ts';
import { type Guarding, openGuarding } from './guarding/openGuarding.ts';
import { measure, measureBefore } from './measure.ts';
import { parameterCount } from './openModel.node.ts';
import { type StepPlan, scheduleOf, stepBatches } from './plan.ts';
import { probeMemory } from './probeMemory.ts';
import { memoryBytes } from './record.node.ts';
import { openKeeper } from './resume/keeper.node.ts';
import { saveBest } from './saving/saved.node.ts';
import { lineAfter } from './stepLog.ts';
import type { Running } from './train.node.ts';

/** Trains until the steps end, nothing gets better, or the signal is aborted. */
export async function learn(running: Running, damaged: readonly number[]): Promise<void> {
  const { recipe, data, model, plan, options, reached } = running;
  const { signal } = options;
  const guarding = openGuarding(running);
  if (reached.guarding) guarding.restore(reached.guarding);
  const keeper = openKeeper(running, guarding, damaged);
  const stepping = { recipe, plan, partsOf: partsOf(running), skip: reached.step };
  const { max_grad_norm: maxGradientNorm } = recipe.training;
  const { guards } = guarding;
  const loop = { schedule: scheduleOf(recipe, plan), maxGradientNorm, guards, firstStep: reached.step, signal };
  if (reached.isUnmeasured) await evaluate(running, guarding);
  if (isEnough(running)) return;
  if (running.task.probesMemory) await probeMemory(running);
  let stage = model.trainer.stage;
  for await (const outcome of trainSteps(model.trainer, stepBatches(data.train.rows, stepping), loop)) {
    if (model.trainer.stage !== stage) tellOpening(running, outcome.step);
    stage = model.trainer.stage;
    await noteStep(running, outcome);
    await guarding.tell(outcome);
    if (reached.isUnmeasured) await evaluate(running, guarding);
    await keeper.afterStep(outcome);
    if (isEnough(running)) return;
  }
  if (signal.aborted && reached.step > 0) await keeper.save();
  await guarding.ended();
}

/** Layers that open one after the other are told as they do. */
function tellOpening({ model, options }: Running, step: number): void {
  const open = model.parameters.filter(({ trainable, opensAfter }) => trainable && opensAfter < step);
  const [now, all] = [parameterCount(open), model.trainableParameters].map(count);
  options.onEvent({ type: 'note', text: `step ${step}: ${now} of ${all} parameters are trained from here on` });
}

async function noteStep({ recipe, data, plan, folder, options, reached, seconds }: Running, outcome: StepOutcome) {
  const { step, epoch } = outcome;
  const isUnmeasured = data.validation !== undefined && isDue(outcome, { evaluation: recipe.evaluation, plan });
  Object.assign(reached, { step, epoch, isUnmeasured });
  seconds.train += outcome.seconds;
  const logging = { everySteps: recipe.training.logging_steps, lastStep: plan.totalSteps };
  const line = lineAfter(outcome, reached.unlogged, logging);
  if (line) await folder.log(line);
  if (!outcome.incident) options.onEvent(stepEvent(outcome));
}

const stepEvent = ({ incident: _, examples: __, ...record }: StepOutcome): TrainEvent => ({
  type: 'step',
  ...record,
  tokensPerSecond: record.tokens / record.seconds,
  memoryBytes: memoryBytes(),
});

interface Due {
  readonly evaluation: Recipe['evaluation'];
  readonly plan: StepPlan;
}

function isDue(record: { step: number; lastOfEpoch: boolean }, { evaluation, plan }: Due): boolean {
  if (evaluation.eval_strategy === 'no') return false;
  if (record.step === plan.totalSteps) return true;
  return evaluation.eval_strategy === 'epoch' ? record.lastOfEpoch : record.step % evaluation.eval_steps! === 0;
}

/** Of the step that was just done. The better model is saved; an evaluation that is broken off stays due. */
async function evaluate(running: Running, guarding: Guarding): Promise<void> {
  const { recipe, data, plan, folder, options, reached } = running;
  const { step, epoch } = reached;
  await measureBefore(running);
  const measured = await measure(running, data.validation!);
  if (!measured) return;
  const { metrics } = measured;
  reached.isUnmeasured = false;
  if (step === plan.totalSteps) refuseNotFiniteLoss(step, metrics.loss);
  // The next step sees it too, and goes back.
  if (!Number.isFinite(metrics.loss)) return;
  const metric = recipe.training.metric_for_best_model;
  const better = isBetter(metric, metrics[metric]!, reached.best?.metrics[metric]);
  await folder.log({ step, epoch, ...named(metrics) });
  options.onEvent({ type: 'evaluation', step, metrics, best: better });
  if (better) await saveBest(running);
  if (better) reached.best = { step, ...measured };
  reached.worse = better ? 0 : reached.worse + 1;
  await guarding.evaluated(metrics.loss);
}

const named = (metrics: Metrics): object =>
  Object.fromEntries(Object.entries(metrics).map(([name, value]) => [`eval_${name}`, value]));

function isEnough({ recipe: { training }, reached: { worse }, options }: Running): boolean {
  const { early_stopping_patience: patience, metric_for_best_model: metric } = training;
  if (patience === 0 || worse < patience) return false;
  options.onEvent({ type: 'note', text: `no better ${metric} in ${worse} evaluations: stopped early` });
  return true;
}
