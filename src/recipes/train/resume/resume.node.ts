/** What `--resume` finds in a run's folder, and how the run goes on from there. */
import { basename, join } from 'node:path';
import {
  CHECKPOINTS,
  cleanCheckpoints,
  findCheckpoints,
  holds,
  LINKED,
  linkFolder,
  type StoredCheckpoint,
} from '../../../store/checkpoints/index.ts';
import { type RunRecord, readRun } from '../../../store/runs/index.ts';
import { parseRecipe, type Recipe } from '../../schema/index.ts';
import { savedFolder } from '../saving/saved.node.ts';
import type { Running } from '../train.node.ts';
import { changed, differences, refuseChanges, settingDifferences } from './differences.ts';
import type { Identity } from './identity.node.ts';
import { takeState } from './runState.node.ts';
import { learningSettings } from './settings.ts';

/** The record of a run that is over and has these settings: there is nothing to do. Other settings are refused. */
export async function finishedRun(recipe: Recipe, allowChanges: boolean): Promise<RunRecord | undefined> {
  const record = await readRun(recipe.output_dir);
  if (record?.status !== 'succeeded') return undefined;
  const found = settingDifferences(learningSettings(filledIn(record.recipe)), learningSettings(recipe));
  if (found.length === 0) return record;
  refuseChanges(found, recipe.output_dir, allowChanges);
  return undefined;
}

/** With the settings that have come since, which did nothing then. */
function filledIn(recipe: unknown): Recipe {
  try {
    return parseRecipe(recipe, '');
  } catch {
    return recipe as Recipe;
  }
}

export interface Resumed {
  /** Steps of checkpoints that cannot be used. */
  readonly damaged: readonly number[];
}

/**
 * Puts the run where its newest whole checkpoint was taken, or at its beginning. run.json becomes `first` with what
 * was measured before the first step. Whatever is refused is refused before anything is changed.
 */
export async function resume(running: Running, first: RunRecord): Promise<Resumed> {
  const { folder, recipe, options, plan, reached } = running;
  const earlier = folder.record;
  const changes = refuseChangedRun(running, first);
  const root = join(folder.path, CHECKPOINTS);
  await folder.clean();
  await cleanCheckpoints(root);
  const { newest, damaged } = await findCheckpoints(root);
  if (!newest && earlier.status === 'succeeded') throw nothingToExtend(recipe.output_dir);
  const logLines = newest ? await takeState(running, newest) : 0;
  if (reached.step > plan.totalSteps) throw tooShort(running, changes);
  if (newest) await restoreSaved(running, newest);
  const missing = await folder.cutLog(logLines);
  const { base_loss, before, started_at } = earlier;
  const steps = [...((earlier.resumed_at_steps as number[] | undefined) ?? []), reached.step];
  await folder.update({ ...first, ...(newest && { base_loss, before, started_at }), resumed_at_steps: steps });
  const notes = [
    ...damaged.map(({ step, fault }) => `checkpoint of step ${step} is damaged and not used: ${fault}`),
    ...changes.map((line) => `changed ${line}`),
    ...(missing > 0 ? [`metrics.jsonl has lost ${missing} of its lines`] : []),
    ...environmentNotes(earlier, first),
    newest ? `goes on after step ${newest.step}` : 'there is no checkpoint to go on from: the run starts',
  ];
  for (const text of notes) options.onEvent({ type: 'note', text });
  return { damaged: damaged.map(({ step }) => step) };
}

/** A run that broke off before it could say what it is has nothing to lose. */
function refuseChangedRun({ folder, recipe, options }: Running, first: RunRecord): string[] {
  const before = folder.record.identity as Identity | undefined;
  if (!before) return [];
  const found = differences(before, first.identity as Identity);
  return refuseChanges(found, recipe.output_dir, options.allowChanges ?? false);
}

/** The saved model may be newer than the checkpoint: the steps that made it better are going to be done again. */
async function restoreSaved(running: Running, { folder, files }: StoredCheckpoint): Promise<void> {
  if (!running.reached.best) return;
  const place = savedFolder(running);
  const linked = Object.entries(files).filter(([name]) => name.startsWith(`${LINKED}/`));
  const wanted = Object.fromEntries(linked.map(([name, facts]) => [name.slice(LINKED.length + 1), facts]));
  if (await holds(place, wanted)) return;
  await running.folder.replaceFolder(basename(place), async (path) => {
    await linkFolder(join(folder, LINKED), path);
  });
}

/** They decide how sums are rounded, not what is learned. */
function environmentNotes(before: RunRecord, now: RunRecord): string[] {
  const told = ({ machine, versions }: RunRecord) => {
    const { processor, threads } = (machine ?? {}) as Record<string, unknown>;
    return `${processor}, ${threads} threads, Node ${((versions ?? {}) as Record<string, unknown>).node}`;
  };
  const [was, is] = [told(before), told(now)];
  return was === is ? [] : [`the machine is another one (${was} -> ${is}): the last digits may differ`];
}

function nothingToExtend(outputDir: string) {
  const fix = 'start a new run in another output_dir; `init_from` starts from the weights of this one';
  return changed(outputDir, ['the run is over, and none of its checkpoints is left to go on from'], fix);
}

function tooShort({ recipe, reached, plan }: Running, changes: readonly string[]) {
  const line = `it has done ${reached.step} steps already, and would end after ${plan.totalSteps}`;
  return changed(recipe.output_dir, [...changes, line], 'give it more steps or epochs, or choose another output_dir');
}
