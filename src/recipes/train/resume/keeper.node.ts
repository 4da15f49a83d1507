/** When a checkpoint is due, and what it takes to save one. */
import { join } from 'node:path';
import { CHECKPOINTS, pruneCheckpoints, writeCheckpoint } from '../../../store/checkpoints/index.ts';
import { refuseFullDisk } from '../../../store/runs/index.ts';
import { refuseNotFiniteWeights } from '../guarding/notFinite.ts';
import type { Guarding } from '../guarding/openGuarding.ts';
import { savedFolder } from '../saving/saved.node.ts';
import type { Running } from '../train.node.ts';
import { stateFiles } from './runState.node.ts';
import { checkpointBytes } from './space.ts';

export interface Keeper {
  /** Saves a checkpoint if one is due after this step. */
  afterStep(step: { readonly step: number; readonly lastOfEpoch: boolean }): Promise<void>;
  /** Saves the state as it is, unless that was saved already. */
  save(): Promise<void>;
}

/** `damaged`: steps of checkpoints that cannot be used; they go as soon as there is a newer one. */
export function openKeeper(running: Running, guarding: Guarding, damaged: readonly number[]): Keeper {
  const { training } = running.recipe;
  const stateNow = (): string => `${running.reached.step} ${running.reached.isUnmeasured}`;
  let saved = stateNow();
  let savedAt = performance.now();
  let useless = damaged;
  async function save(): Promise<void> {
    if (training.save_strategy === 'no' || stateNow() === saved) return;
    // A checkpoint of the same step has just taken the damaged one's place.
    await saveState(
      running,
      guarding,
      useless.filter((step) => step !== running.reached.step),
    );
    useless = [];
    saved = stateNow();
    savedAt = performance.now();
  }
  const isDue = ({ step, lastOfEpoch }: { step: number; lastOfEpoch: boolean }): boolean => {
    const { save_strategy: strategy, save_steps: steps, save_minutes: minutes } = training;
    if (minutes > 0 && performance.now() - savedAt >= minutes * 60_000) return true;
    return strategy === 'steps' ? step % steps! === 0 : lastOfEpoch;
  };
  return { save, afterStep: async (step) => (isDue(step) ? save() : undefined) };
}

async function saveState(running: Running, guarding: Guarding, useless: readonly number[]): Promise<void> {
  const { recipe, model, folder, reached } = running;
  refuseNotFiniteWeights(model.trainer.state());
  await refuseFullDisk(folder.path, { what: 'a checkpoint', bytes: checkpointBytes(model) });
  const root = join(folder.path, CHECKPOINTS);
  const files = stateFiles(running, guarding.checkpoint(), await folder.settleLog());
  const linked = reached.best && savedFolder(running);
  await folder.guard(() => writeCheckpoint(root, reached.step, { files, linked }));
  await folder.guard(() => pruneCheckpoints(root, recipe.training.save_total_limit, useless));
}
