/** What the trainer is fed: rows as they are, or what the frozen layers made of them once. */
import { batchesByLength } from '../../data/batch.ts';
import type { MicroBatch } from '../../training/index.ts';
import type { FrozenPart } from './frozenPart.node.ts';
import { type Parts, rowParts } from './plan.ts';
import type { Running } from './train.node.ts';

const TELL_EVERY_MS = 10_000;
/** Rows that are asked for at once before the first step. */
const GROUP_ROWS = 32;

export function partsOf(running: Running): Parts {
  const { recipe, source, data, model, options } = running;
  const { rows } = data.train;
  if (!model.frozen) return rowParts(rows, recipe, source.tokenizer.padTokenId);
  const { train } = model.frozen;
  let whole: Promise<boolean> | undefined;
  return async (members): Promise<readonly MicroBatch[] | undefined> => {
    whole ??= prepareAll(running, model.frozen!);
    if (!((await whole) && (await train.prepare(members, options.signal)))) return undefined;
    const tokens = members.reduce((sum, row) => sum + rows[row]!.inputIds.length, 0);
    return [{ feeds: train.feeds(members), rows: members.length, tokens, examples: members }];
  };
}

/** All rows before the first step. A run that will not see them all computes what it needs when it needs it. */
async function prepareAll({ data, plan, options }: Running, { train, bytes }: FrozenPart): Promise<boolean> {
  const { onEvent, signal } = options;
  const { rows } = data.train;
  const size = `${rows.length} rows, ${(bytes / 1e6).toFixed(1)} MB`;
  onEvent({ type: 'note', text: `computing features of the frozen layers: ${size}` });
  if (plan.epochs < 1) return true;
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  let told = performance.now();
  let done = 0;
  for (const group of batchesByLength(lengths, GROUP_ROWS)) {
    if (!(await train.prepare(group, signal))) return false;
    done += group.length;
    if (performance.now() - told < TELL_EVERY_MS) continue;
    onEvent({ type: 'note', text: `computing features of the frozen layers: ${done} of ${rows.length} rows` });
    told = performance.now();
  }
  return true;
}
