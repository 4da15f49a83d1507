/** The two halves of a step: gradients of a summed loss, and the update that writes weights in place. */
import type { OpenSession } from '../engine/runtime/index.ts';
import type { Parameter, Program } from '../models/nn/index.ts';
import type { Loss } from '../tasks/index.ts';
import { finishUpdate, makeRoom } from './afterUpdate.ts';
import {
  type GradientSession,
  type MicroBatch,
  openGradients,
  type Recompute,
  type StepLoss,
} from './gradientSession.ts';
import { examine, type Finding, type Looking } from './guards/examine.ts';
import { idleParameters } from './guards/idle.ts';
import type { NamedCheckpoint } from './loadParameters.ts';
import { openMasks, type Place } from './masks.ts';
import { type AdamWSettings, accumulateGradients, gradientNorm, type Update, updateParameters } from './optimizer.ts';
import { type ParameterMemory, parameterValues } from './parameterMemory.ts';
import { openStages } from './stages.ts';
import { restoreState, type StateTensor, stateOf } from './state.ts';
import type { GradientRegion } from './tables.ts';

interface Rates extends Omit<Update, 'from'> {
  /** Number of the step in the run's plan. */
  readonly step: number;
  /** Updates with this one, where steps were left out; left out: as many as steps. */
  readonly updates?: number;
}

export interface Trainer extends AsyncDisposable {
  /** Summed loss and gradients over the batches of one optimizer step. Weights stay as they are. */
  gradients(batches: readonly MicroBatch[], step: number): Promise<StepLoss>;
  /** ‖g‖ of the last gradients, divided by the count. */
  gradientNorm(count: number): number;
  /** One AdamW update with the last gradients, and what the method does after it. */
  update(rates: Rates): void;
  /** Where the last gradients went wrong. Overwrites them. */
  examine(batches: readonly MicroBatch[], at: { step: number; looking: Looking }): Promise<Finding>;
  /** Trained tensors that the last gradients left out, where none is declared to be without; `moved`: see idle.ts. */
  idle(moved: boolean): string[];
  /** 1 at first; one more each time that something opens which rested before. */
  readonly stage: number;
  /** What the next step needs of the steps before it. The arrays are the live ones. */
  state(): readonly StateTensor[];
  /** Takes such a state back: the next step is the one that would have followed. */
  restore(saved: NamedCheckpoint): Promise<void>;
}

export interface TrainerOptions {
  readonly memory: ParameterMemory;
  readonly open: OpenSession;
  readonly threads: number;
  readonly seed: number;
  readonly optimizer: AdamWSettings;
  /** Values of the model's blocks that are computed again for the backward pass instead of being kept; left out: none. */
  readonly recompute?: Recompute;
}

/** What is trained at one time has a session of its own. */
interface Stage {
  readonly begun: number;
  readonly session: GradientSession;
}

export async function openTrainer(program: Program<{ loss: Loss }>, options: TrainerOptions): Promise<Trainer> {
  const { memory, open, threads, optimizer } = options;
  const stages = openStages(program, memory);
  const masks = openMasks(program.masks, options.seed);
  const weights = parameterValues(program, memory);
  makeRoom(program, memory);
  const sessions = sessionsByStage((begun) => {
    const isOpen = (parameter: Parameter): boolean => stages.isOpen(parameter, begun);
    return openGradients({ program, weights, memory, masks }, { ...options, isOpen });
  });
  await sessions.enter(1);
  let from: GradientRegion = 'gradient';
  return {
    async gradients(batches, step) {
      const { session, begun } = await sessions.enter(stages.at(step));
      from = batches.length > 1 ? 'total' : 'gradient';
      session.tables.clear(from);
      let total: StepLoss = { sum: 0, count: 0 };
      for (const [part, batch] of batches.entries()) {
        const { sum, count, penalty } = await session.run(batch, { step, part }, from);
        const adding = { first: part === 0, opened: stages.opened(begun) };
        if (from === 'total') accumulateGradients(memory, session.tables, adding);
        total = { sum: total.sum + sum, count: total.count + count, penalty };
      }
      return total;
    },
    gradientNorm(count) {
      const { session, begun } = sessions.current();
      return gradientNorm(memory, session.tables, { from, opened: stages.opened(begun) }) / count;
    },
    update({ step, updates = step, ...rates }) {
      const { session, begun } = sessions.current();
      stages.begin(begun, updates);
      const update = { ...rates, step: updates, from, opened: stages.opened(begun) };
      updateParameters(memory, session.tables, optimizer, update);
      finishUpdate(program, memory, { ...rates, step, from });
    },
    examine(batches, at) {
      const { session } = sessions.current();
      const again = (batch: MicroBatch, place: Place): Promise<StepLoss> => session.run(batch, place, from);
      return examine({ program, memory, masks, open, threads, region: from, weights, run: again }, batches, at);
    },
    idle(moved) {
      const { begun } = sessions.current();
      return idleParameters(memory, { region: from, moved, isOpen: (parameter) => stages.isOpen(parameter, begun) });
    },
    get stage() {
      return sessions.current().begun;
    },
    state: () => stateOf(memory),
    restore: (saved) => restoreState(memory, saved),
    [Symbol.asyncDispose]: sessions.close,
  };
}

/** One session after the other: two would hold twice what ONNX Runtime prepares. */
function sessionsByStage(open: (begun: number) => Promise<GradientSession>) {
  let stage: Stage | undefined;
  async function close(): Promise<void> {
    const last = stage;
    stage = undefined;
    await last?.session[Symbol.asyncDispose]();
  }
  return {
    close,
    async enter(begun: number): Promise<Stage> {
      if (stage?.begun === begun) return stage;
      await close();
      stage = { begun, session: await open(begun) };
      return stage;
    },
    current(): Stage {
      if (!stage) throw new Error('internal: a trainer was used after its end');
      return stage;
    },
  };
}
