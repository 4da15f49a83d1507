/** Sums and means. */
import type { Tensor } from '../graph/index.ts';
import { sum } from './broadcast.ts';
import { mul } from './elementwise.ts';
import { reshape } from './reshape.ts';

export const sumAll = (x: Tensor): Tensor => reshape(sum(x, [...x.shape.keys()]), []);

/** Mean over the last axis, which must have a fixed size and stays as size 1. */
export function meanLast(x: Tensor): Tensor {
  const width = x.shape.at(-1);
  if (typeof width !== 'number') throw new Error(`internal: mean over '${width}', which has no fixed size`);
  return mul(sum(x, [x.shape.length - 1]), 1 / width);
}
