/** The guards of a run: opened from its recipe, told aloud, counted in run.json, and an error where they stop it. */
import { type GuardState, type Guards, openGuards, type StepOutcome } from '../../../training/index.ts';
import { restoreBest } from '../saving/saved.node.ts';
import type { Running } from '../train.node.ts';
import { incidentError, incidentLine, incidentText } from './incident.ts';
import { type LearningState, watchLearning } from './notLearning.ts';

/** What the guards did, as run.json has it. */
export interface GuardTotals {
  readonly skipped_steps: number;
  readonly rollbacks: number;
  readonly warnings: number;
  /** The first of them, in order. */
  readonly events: readonly GuardLine[];
}

/** A line of metrics.jsonl. */
export interface GuardLine {
  readonly step: number;
  readonly event: 'skipped' | 'rolled_back' | 'stopped' | 'warning';
  readonly reason: string;
  readonly [more: string]: unknown;
}

export const noGuardEvents: GuardTotals = { skipped_steps: 0, rollbacks: 0, warnings: 0, events: [] };
const MOST_EVENTS = 100;

/** What a checkpoint has to hold of the guards. Plain data. */
export interface GuardingState {
  readonly guards: GuardState;
  readonly learning: LearningState;
  readonly totals: GuardTotals;
}

export interface Guarding {
  readonly guards: Guards;
  /** Tells what was done about a step, and throws where it ends the run. */
  readonly tell: (outcome: StepOutcome) => Promise<void>;
  readonly evaluated: (loss: number) => Promise<void>;
  /** After the last step. */
  readonly ended: () => Promise<void>;
  /**
   * What a checkpoint has to hold. Called where one is written, and nowhere else: a later way back leads to this step, in
   * the run that goes on as in one that goes on from the checkpoint.
   */
  readonly checkpoint: () => GuardingState;
  /** Goes on from a saved state. Weights and moments must have been read before. */
  readonly restore: (state: GuardingState) => void;
}

export function openGuarding(running: Running): Guarding {
  const { recipe, model, plan, reached } = running;
  const { training, safety } = recipe;
  const { trainer, memory } = model;
  const prior = running.task.prior(running.data, recipe);
  const ladder = { action: safety.spike_action, maxSkippedSteps: safety.max_skipped_steps };
  // The first evaluation is the best so far whatever it finds, even a model that has just been damaged.
  const isSound = (): boolean => reached.best !== undefined && reached.best.metrics.loss < 2 * prior.validation!;
  const lastGood = ({ further }: { further: boolean }): Promise<void> =>
    !further && isSound() ? restoreBest(running) : model.reload();
  const guards = openGuards({ ...ladder, trainer, memory, lastGood, chance: prior.training });
  const before = (): number | undefined => (running.folder.record.base_loss as number | null) ?? undefined;
  const learning = watchLearning({ prior, before, recipe, totalSteps: plan.totalSteps });
  async function judge(): Promise<void> {
    const { step, history } = guards.state();
    const text = learning.judge({ step, losses: history.losses });
    if (text === undefined) return;
    await note(running, { step, event: 'warning', reason: text });
    running.options.onEvent({ type: 'guard', event: 'warning', step, text });
  }
  return {
    guards,
    async tell({ incident, examples }) {
      if (!incident) return;
      const rows = examples.map((number) => running.data.train.examples[number]!.where);
      const line = incidentLine(incident, rows);
      await note(running, line);
      const { event, step } = line;
      running.options.onEvent({ type: 'guard', event, step, text: incidentText(incident, rows) });
      if (incident.action === 'stop') throw incidentError(incident, { rows, learningRate: training.learning_rate });
    },
    async evaluated(loss) {
      learning.evaluated(loss);
      await judge();
    },
    ended: judge,
    checkpoint() {
      guards.keep();
      return { guards: guards.state(), learning: learning.state(), totals: reached.guards };
    },
    restore(state) {
      guards.restore(state.guards);
      learning.restore(state.learning);
      reached.guards = state.totals;
    },
  };
}

/** Writes down what happened, and counts it. */
async function note({ folder, reached }: Running, line: GuardLine): Promise<void> {
  const { skipped_steps, rollbacks, warnings, events } = reached.guards;
  const one = (event: GuardLine['event']): number => (line.event === event ? 1 : 0);
  reached.guards = {
    skipped_steps: skipped_steps + one('skipped'),
    rollbacks: rollbacks + one('rolled_back'),
    warnings: warnings + one('warning'),
    events: [...events, line].slice(0, MOST_EVENTS),
  };
  await folder.log(line);
  await folder.update({ guards: reached.guards });
}
