/**
 * engine/ops — every operation as one row: type, gradient, ONNX form, reference, samples. Imports engine/graph.
 * Invariant: the gradient check walks this table, so an unchecked operation cannot exist.
 */
import type { Operation } from '../graph/index.ts';
import { blocksRows } from './blocks.ts';
import { broadcastRows } from './broadcast.ts';
import { byteRowsRows } from './byteRows.ts';
import { dropoutRows } from './dropout.ts';
import { elementwiseRows } from './elementwise.ts';
import { attendRows } from './inParts/attend.ts';
import { orderRows } from './inParts/order.ts';
import { vocabularyRows } from './inParts/vocabulary.ts';
import { int4Rows } from './int4.ts';
import { int8Rows } from './int8.ts';
import { lookupRows } from './lookup.ts';
import { matmulRows } from './matmul.ts';
import { normaliseRows } from './normalise.ts';
import { quantisedRows } from './quantised.ts';
import { reshapeRows } from './reshape.ts';
import { rotaryRows } from './rotary.ts';
import { shapeRows } from './shape.ts';

// Rows differ in their attributes; whoever walks the table takes them from the row's own samples.
// biome-ignore lint/suspicious/noExplicitAny: see above
export const operations: Readonly<Record<string, Operation<any>>> = {
  ...elementwiseRows,
  ...broadcastRows,
  ...reshapeRows,
  ...shapeRows,
  ...matmulRows,
  ...normaliseRows,
  ...rotaryRows,
  ...orderRows,
  ...vocabularyRows,
  ...attendRows,
  ...lookupRows,
  ...quantisedRows,
  ...int8Rows,
  ...int4Rows,
  ...blocksRows,
  ...byteRowsRows,
  ...dropoutRows,
};

export { type Rounding, unpackBlocks } from './blocks.ts';
export { expand, sum, sumTo } from './broadcast.ts';
export { byteRows } from './byteRows.ts';
export { dropout, droppedSoftmax } from './dropout.ts';
export {
  add,
  cos,
  div,
  equal,
  erf,
  exp,
  gelu,
  geluTanh,
  less,
  log,
  mul,
  neg,
  relu,
  sigmoid,
  silu,
  sin,
  sqrt,
  stopGradient,
  sub,
  tanh,
  toFloat,
  toInt32,
  where,
} from './elementwise.ts';
export { attend } from './inParts/attend.ts';
export { after } from './inParts/order.ts';
export { vocabularyNormaliser } from './inParts/vocabulary.ts';
export { type Int4Weight, unpackInt4 } from './int4.ts';
export { type Int8Weight, switchBackLinear, unpackInt8 } from './int8.ts';
export { gather, pick, scatteredRows } from './lookup.ts';
export { linear, type MatmulAttributes, matmul, rowsOnly } from './matmul.ts';
export { layerNorm, logSumExp, rmsNorm, softmax } from './normalise.ts';
export { BLOCK, quantiseBlocks, quantiseRows, READ, SUMMED, transposed } from './quantise.ts';
export { quantisedGather, quantisedLinear } from './quantised.ts';
export { meanLast, sumAll } from './reduce.ts';
export { reshape } from './reshape.ts';
export { type Angles, rotate } from './rotary.ts';
export { concat, select, slice, split, transpose, zeros } from './shape.ts';
