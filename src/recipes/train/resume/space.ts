/** How much room a run takes on the disk. */

import { bytesBelow, refuseFullDisk } from '../../../store/runs/index.ts';
import type { Recipe } from '../../schema/index.ts';
import type { TrainingModel } from '../openModel.node.ts';
import type { StepPlan } from '../plan.ts';

/** Headers, figures and pages. */
const SMALL_FILES = 2_000_000;

type Sized = Pick<TrainingModel, 'trainer' | 'isWhole' | 'totalParameters' | 'trainableParameters'>;

/** Weights and moments of what is trained. */
export const checkpointBytes = ({ trainer }: Sized): number =>
  trainer.state().reduce((sum, { data }) => sum + data.byteLength, SMALL_FILES);

/** The best model or adapter. */
export const bestBytes = ({ isWhole, totalParameters, trainableParameters }: Sized): number =>
  (isWhole ? totalParameters : trainableParameters) * 4 + SMALL_FILES;

/** Before the first step: the checkpoints that are kept, one that is being written, and with each another best model. */
export async function refuseTooLarge(recipe: Recipe, model: Sized, plan: StepPlan): Promise<void> {
  const kept = Math.min(recipe.training.save_total_limit, savesOf(recipe, plan)) + 1;
  const keeps = recipe.training.save_strategy !== 'no';
  const bytes = keeps ? kept * (checkpointBytes(model) + bestBytes(model)) : 2 * bestBytes(model);
  // A run that goes on has most of it already.
  const present = await bytesBelow(recipe.output_dir);
  await refuseFullDisk(recipe.output_dir, { what: 'this run', bytes: bytes - present });
}

/** With one for an interruption; by the clock there may be any number. */
function savesOf({ training }: Recipe, { totalSteps, epochs }: StepPlan): number {
  if (training.save_minutes > 0) return Number.POSITIVE_INFINITY;
  return 1 + (training.save_strategy === 'steps' ? Math.floor(totalSteps / training.save_steps!) : Math.ceil(epochs));
}
