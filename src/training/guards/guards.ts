/** Looks at each step before its update, and says what is to be done instead where something is wrong. */
import type { MicroBatch } from '../gradientSession.ts';
import type { ParameterMemory } from '../parameterMemory.ts';
import type { Trainer } from '../trainer.ts';
import { brokenWeight } from './examine.ts';
import { afterAction, type GuardSettings, nextAction, nothingTaken, type SpikeAction, type Taken } from './ladder.ts';
import { clearMoments, openSnapshot, type Snapshot } from './snapshot.ts';
import { emptyHistory, type History, median, type Observation, remember, type Symptom, symptomOf } from './spikes.ts';

/** A step that was not taken. */
export interface Incident {
  readonly step: number;
  readonly action: SpikeAction;
  readonly kind: Symptom['kind'] | 'no_gradient';
  readonly reason: string;
  readonly loss: number;
  readonly gradientNorm: number;
  /** The first layer, weight or gradient that is not finite. */
  readonly layer?: string | undefined;
  /** Of the step's rows, in their order: those that do it by themselves, else the one with the largest loss. */
  readonly rows: readonly number[];
  /** What the learning rate is multiplied by from here on. */
  readonly rateScale: number;
  /** Trained tensors that no gradient reaches. */
  readonly tensors?: readonly string[];
}

/** Everything that the guards remember, as plain data: a run that goes on elsewhere needs it, and nothing more. */
export interface GuardState {
  readonly history: History;
  readonly taken: Taken;
  /** Updates that are in the weights: skipped steps are none. */
  readonly updates: number;
  /** An update with a learning rate above 0 was among them. */
  readonly moved: boolean;
  /** How much of the check of gradients is done: the first step's, and that of tensors which get theirs later. */
  readonly gradientsChecked: 'none' | 'first' | 'all';
  /** The trainer's stage in which that was: what opens later is checked then. */
  readonly stage: number;
  /** The last step that was judged. */
  readonly step: number;
  /** The step before whose update the copy in memory was made. */
  readonly keptAt: number;
}

export interface Guards {
  readonly state: () => GuardState;
  /** Goes on from a saved state. The memory must hold the weights and moments that belong to it. */
  readonly restore: (state: GuardState) => void;
  /**
   * Makes the state as it is the one to go back to. Call it where a checkpoint is written: the run that goes on from
   * there then goes back to the same weights as the one that was not interrupted.
   */
  readonly keep: () => void;
  readonly rateScale: () => number;
  /** Undefined: the update may be made, and is counted. Else it must not be made; a way back has been gone already. */
  readonly judge: (seen: Seen) => Promise<Incident | undefined>;
  /** The number of the update that a judged step makes: 1 for the first. */
  readonly updates: () => number;
}

interface Seen extends Observation {
  readonly batches: readonly MicroBatch[];
  readonly learningRate: number;
}

export interface GuardOptions extends GuardSettings {
  readonly trainer: Trainer;
  readonly memory: ParameterMemory;
  /**
   * Writes the last good weights into the memory, where a copy in memory would be too large. `further`: those of the last
   * call did no good, not one step was accepted after it.
   */
  readonly lastGood: (to: { readonly further: boolean }) => Promise<void>;
  /** The loss of answering by chance, where that is known. */
  readonly chance?: number;
  /** The largest copy in memory; left out: 64 MiB. */
  readonly snapshotBytes?: number | undefined;
}

const KEEP_EVERY = 20;
/** Incidents of which the rows are computed one by one. In a run that breaks down there are many more. */
const EXAMINED_ROWS = 3;
/** A loss so small leaves gradients that round to zero. */
const NOTHING_LEFT = 1e-5;

const nothingSeen: GuardState = {
  history: emptyHistory,
  taken: nothingTaken,
  updates: 0,
  moved: false,
  gradientsChecked: 'none',
  stage: 1,
  step: 0,
  keptAt: 0,
};

/** The state is replaced, never changed. */
interface Guarded {
  readonly options: GuardOptions;
  readonly snapshot: Snapshot | undefined;
  state: GuardState;
}

export function openGuards(options: GuardOptions): Guards {
  // A run that stops at once never goes back.
  const snapshot = options.action === 'stop' ? undefined : openSnapshot(options.memory, options.snapshotBytes);
  const guarded: Guarded = { options, snapshot, state: nothingSeen };
  return {
    state: () => guarded.state,
    restore(saved) {
      guarded.state = saved;
      keep(guarded);
    },
    keep: () => keep(guarded),
    rateScale: () => guarded.state.taken.rateScale,
    updates: () => guarded.state.updates,
    judge: (seen) => judge(guarded, seen),
  };
}

async function judge(guarded: Guarded, seen: Seen): Promise<Incident | undefined> {
  const { step, loss, gradientNorm, learningRate } = seen;
  guarded.state = { ...guarded.state, step };
  const symptom = symptomOf(guarded.state.history, seen);
  if (symptom) return await refuse(guarded, seen, symptom);
  const tensors = idle(guarded, seen);
  if (tensors.length > 0) {
    const reason = `no gradient reaches ${tensors.length} of the tensors that are to be trained`;
    const { rateScale } = guarded.state.taken;
    return { step, action: 'stop', kind: 'no_gradient', reason, loss, gradientNorm, rows: [], rateScale, tensors };
  }
  keepIfDue(guarded, seen);
  const { state, options } = guarded;
  const history = remember(state.history, seen, options.chance);
  guarded.state = { ...state, history, updates: state.updates + 1, moved: state.moved || learningRate > 0 };
  return undefined;
}

async function refuse(guarded: Guarded, { step, loss, gradientNorm, batches }: Seen, symptom: Symptom) {
  const { options, state } = guarded;
  const { trainer, memory } = options;
  const isNotFinite = symptom.kind === 'not_finite';
  const action = nextAction(options, state.taken, isNotFinite && brokenWeight(memory) !== undefined);
  const before = state.taken.skippedSteps + state.taken.rollbacks;
  const looking = { layer: isNotFinite, rows: before < EXAMINED_ROWS || action === 'stop' };
  const found = await trainer.examine(batches, { step, looking });
  guarded.state = { ...state, taken: afterAction(state.taken, action) };
  if (action === 'rollback') await goBack(guarded);
  return { step, action, ...symptom, ...found, loss, gradientNorm, rateScale: guarded.state.taken.rateScale };
}

async function goBack(guarded: Guarded): Promise<void> {
  const { snapshot, options } = guarded;
  if (snapshot?.updates !== undefined) snapshot.restore();
  else {
    await options.lastGood({ further: guarded.state.updates === 0 });
    clearMoments(options.memory);
  }
  guarded.state = { ...guarded.state, updates: snapshot?.updates ?? 0 };
}

function keep(guarded: Guarded): void {
  const { snapshot, state } = guarded;
  snapshot?.keep(state.updates);
  guarded.state = { ...state, keptAt: state.step };
}

/** Before the update: what is kept has just been seen to work. */
function keepIfDue(guarded: Guarded, { step, loss }: Observation): void {
  const { snapshot, state } = guarded;
  const isFirst = snapshot?.updates === undefined;
  if (isFirst || (step - state.keptAt >= KEEP_EVERY && loss <= median(state.history.losses))) keep(guarded);
}

/** Names of tensors that should have a gradient by now and have none. */
function idle(guarded: Guarded, { loss }: Observation): readonly string[] {
  const { stage } = guarded.options.trainer;
  if (stage !== guarded.state.stage) {
    guarded.state = { ...guarded.state, stage, gradientsChecked: 'none', moved: false };
  }
  const { gradientsChecked: done, moved } = guarded.state;
  if (done === 'all' || (done === 'first' && !moved) || loss < NOTHING_LEFT) return [];
  guarded.state = { ...guarded.state, gradientsChecked: moved ? 'all' : 'first' };
  return guarded.options.trainer.idle(moved);
}
