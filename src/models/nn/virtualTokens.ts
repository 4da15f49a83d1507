/** What a batch becomes where a method puts tokens before the text that no text made. */
import { constant, type Dim, type Tensor } from '../../engine/graph/index.ts';
import { add, concat, expand } from '../../engine/ops/index.ts';
import type { Batch } from './batch.ts';

/** What a place holds that no text made: it is seen, belongs to the first text of a pair, and is not scored. */
const filler = { inputIds: 0, attentionMask: 1, tokenTypeIds: 0, labels: -100 } as const;

/** `count` places before each text; positions count from the first of them. Labels of whole texts stay. */
export function lengthened(batch: Batch, count: number): Batch {
  const before = (x: Tensor, first: Tensor): Tensor => concat([expand(first, [x.shape[0] as Dim, count]), x], 1);
  const filled = Object.entries(filler).map(([name, value]) => {
    const x = batch[name as keyof typeof filler];
    return [name, x.shape.length === 2 ? before(x, constant(value, 'int32')) : x];
  });
  const first = constant([...new Array(count).keys()], 'int32');
  const positionIds = before(shifted(batch, count).positionIds, first);
  return { ...batch, ...Object.fromEntries(filled), positionIds };
}

/** The text starts `by` places later. */
export const shifted = (batch: Batch, by: number): Batch => ({
  ...batch,
  positionIds: add(batch.positionIds, constant(by, 'int32')),
});
