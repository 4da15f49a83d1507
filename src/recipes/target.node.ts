/** What `eval` and `predict` are pointed at: a run, a model folder, or a model's name. */
import { join } from 'node:path';
import { AttuneError } from '../errors/index.ts';
import { fetchModel } from '../store/index.ts';
import { type RunRecord, readRun } from '../store/runs/index.ts';
import type { Recipe } from './schema/index.ts';
import { MODEL_FOLDER } from './train/savedModel.node.ts';

export interface Target {
  /** The model's folder. */
  readonly folder: string;
  /** Where the target is a run: its recipe. */
  readonly recipe?: Recipe;
}

export async function openTarget(reference: string, signal: AbortSignal): Promise<Target> {
  const run = await readRun(reference);
  if (run) return { folder: join(reference, MODEL_FOLDER), recipe: recipeOf(run, reference) };
  const { path } = await fetchModel(reference, { signal });
  return { folder: path };
}

function recipeOf({ recipe, status }: RunRecord, where: string): Recipe {
  if (status === 'succeeded' || status === 'stopped') return recipe as Recipe;
  throw new AttuneError({
    code: 'RUN_INVALID',
    where,
    problem: `the run is ${String(status)}: it has no finished model`,
    fix: 'wait until it ends, or train again',
  });
}
