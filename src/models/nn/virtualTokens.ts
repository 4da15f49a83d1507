/** What a batch becomes where a method puts tokens before the text that no text made. */
import { constant, type Dim, type Tensor } from '../../engine/graph/index.ts';
import { add, concat, expand, mul } from '../../engine/ops/index.ts';
import type { Batch, Targets } from './batch.ts';

/** What a place holds that no text made: it is seen, belongs to the first text of a pair, and is not scored. */
const filler = { inputIds: 0, attentionMask: 1, tokenTypeIds: 0 } as const;

/** `count` places before each text; positions count from the first of them. */
export function lengthened(batch: Batch, count: number): Batch {
  const before = (x: Tensor, first: Tensor): Tensor => concat([expand(first, [x.shape[0] as Dim, count]), x], 1);
  const filled = Object.entries(filler).map(([name, value]) => {
    const x = batch[name as keyof typeof filler];
    return [name, before(x, constant(value, 'int32'))];
  });
  const first = constant([...new Array(count).keys()], 'int32');
  const positionIds = before(shifted(batch, count).positionIds, first);
  const targets = batch.targets && moved(batch.targets, count);
  return { ...batch, ...Object.fromEntries(filled), positionIds, ...(targets && { targets }) };
}

/** The places of each sequence begin after its own new ones and those of the sequences before it. */
function moved({ places, sequences }: Targets, count: number): Targets {
  const one = constant(1, 'int32');
  return { places: add(places, mul(add(sequences, one), constant(count, 'int32'))), sequences };
}

/** The text starts `by` places later. */
export const shifted = (batch: Batch, by: number): Batch => ({
  ...batch,
  positionIds: add(batch.positionIds, constant(by, 'int32')),
});
