/** What to do about a step that is not well: skip it, go back, or stop. Plain state in, plain state out. */

export type SpikeAction = 'skip' | 'rollback' | 'stop';

export interface GuardSettings {
  /** The first measure; when it is used up, the next one follows. */
  readonly action: SpikeAction;
  /** Steps that may be skipped before the run goes back; each way back grants as many again. */
  readonly maxSkippedSteps: number;
}

/** What the ladder has to remember. Plain data. */
export interface Taken {
  readonly skippedSteps: number;
  readonly skippedSinceRollback: number;
  readonly rollbacks: number;
  /** What the schedule's learning rate is multiplied by. */
  readonly rateScale: number;
}

export const nothingTaken: Taken = { skippedSteps: 0, skippedSinceRollback: 0, rollbacks: 0, rateScale: 1 };

const MOST_ROLLBACKS = 3;
const RATE_AFTER_ROLLBACK = 0.5;

/** `broken`: the weights themselves are not finite, so that no other batch would fare better. */
export function nextAction({ action, maxSkippedSteps }: GuardSettings, taken: Taken, broken: boolean): SpikeAction {
  if (action === 'stop') return 'stop';
  if (action === 'skip' && !broken && taken.skippedSinceRollback < maxSkippedSteps) return 'skip';
  return taken.rollbacks < MOST_ROLLBACKS ? 'rollback' : 'stop';
}

export function afterAction(taken: Taken, action: SpikeAction): Taken {
  const { skippedSteps, skippedSinceRollback, rollbacks, rateScale } = taken;
  if (action === 'skip') {
    return { ...taken, skippedSteps: skippedSteps + 1, skippedSinceRollback: skippedSinceRollback + 1 };
  }
  if (action === 'stop') return taken;
  return {
    skippedSteps,
    skippedSinceRollback: 0,
    rollbacks: rollbacks + 1,
    rateScale: rateScale * RATE_AFTER_ROLLBACK,
  };
}
