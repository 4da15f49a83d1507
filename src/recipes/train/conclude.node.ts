/** The end of a run, good or bad: the threshold, the last figures, the pages that show them. */
import type { RunRecord } from '../../store/runs/index.ts';
import { fixedThreshold, measure, remeasured, settledThreshold } from './measure.ts';
import { writePages } from './pages.ts';
import type { PreparedSplit } from './prepareData.node.ts';
import { failureFields, finalFields } from './record.node.ts';
import { saveThreshold } from './saving/saved.node.ts';
import type { Measured, Written } from './tasks/index.ts';
import type { Running } from './train.node.ts';

export interface Final extends Measured {
  readonly split: 'test' | 'validation';
  readonly prepared: PreparedSplit;
}

/** With the best weights in memory. */
export async function conclude(running: Running): Promise<RunRecord> {
  const { recipe, data, folder, options } = running;
  const threshold = settledThreshold(running);
  if (threshold !== undefined) await saveThreshold(running, threshold);
  if (threshold !== undefined && recipe.evaluation.threshold === 'auto') {
    const text = `threshold ${threshold.toFixed(4)}: there the F1 of '${data.labels[1]}' on validation is largest`;
    options.onEvent({ type: 'note', text });
  }
  const final = await measureFinally(running, threshold);
  const written = await running.task.written?.(running, final?.prepared);
  const metrics = final && { ...final.metrics, ...written?.metrics };
  const stopped = options.signal.aborted;
  const fields = {
    ...(await finalFields(running, { metrics, threshold, stopped })),
    ...(written && writtenFields(written, final)),
  };
  // Before run.json says that the run is over: who waits for that finds the pages.
  await writePages(running, { final, written }, { ...folder.record, ...fields });
  return folder.update(fields);
}

/** predictions.jsonl has answers of some rows only: of how many, and how long they could get. */
const writtenFields = ({ turns = [], limit, sayings }: Written, final: Final | undefined): object => ({
  stop_rate: sayings?.stopRate ?? null,
  ...(final && {
    predictions: {
      rows: final.prepared.rows.length,
      answered: new Set(turns.map(({ row }) => row)).size,
      max_new_tokens: limit ?? null,
    },
  }),
});

/** On the test rows where there are some; else the best evaluation, of the very weights that were saved. */
async function measureFinally(running: Running, threshold: number | undefined): Promise<Final | undefined> {
  const { data } = running;
  const tested = data.test && (await measure(running, data.test, threshold));
  if (tested) return { ...tested, split: 'test', prepared: data.test! };
  return bestOf(running, threshold);
}

function bestOf({ data, reached }: Running, threshold: number | undefined): Final | undefined {
  const best = reached.best && remeasured(reached.best, threshold);
  return best && { ...best, split: 'validation', prepared: data.validation! };
}

/** The run failed, or a guard stopped it. What it reached before is shown with what went wrong. */
export async function breakOff(running: Running, failure: unknown): Promise<void> {
  const { folder, recipe } = running;
  // Before the pages: on a full disk it matters more than they do.
  const record = await folder.breakOff(await failureFields(failure, running));
  await writePages(running, { final: bestOf(running, fixedThreshold(recipe)) }, record);
}
