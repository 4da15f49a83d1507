/** Before the first step: the longest rows at once, so that what does not fit ends the run now and not after an hour. */
import { longestFirst } from '../../data/sampling.ts';
import { bytes, count } from '../figures.ts';
import { partsOf } from './batches.ts';
import { memoryBytes } from './record.node.ts';
import type { Running } from './train.node.ts';

/** Gradients of the largest part that a batch may have. Nothing is updated, and no random number is used up. */
export async function probeMemory(running: Running): Promise<void> {
  const { recipe, data, model, plan, options } = running;
  const lengths = data.train.rows.map(({ inputIds }) => inputIds.length);
  const order = longestFirst([...lengths.keys()], lengths);
  const longest = order.slice(0, batchRows(recipe.training, lengths[order[0]!]!));
  const [first] = (await partsOf(running)(longest)) ?? [];
  if (!first || options.signal.aborted) return;
  // By then everything is trained that will be.
  await model.trainer.gradients([first], plan.totalSteps);
  const text = `the longest rows fit: ${count(first.tokens)} tokens at once, ${bytes(memoryBytes())} of memory`;
  options.onEvent({ type: 'note', text });
}

/** Rows of a batch; by tokens, as many of the longest as it holds. */
function batchRows(
  { per_device_train_batch_size: rows, tokens_per_batch: tokens }: Running['recipe']['training'],
  longest: number,
): number {
  if (tokens === undefined) return rows!;
  return Math.max(1, Math.floor(tokens / longest));
}
