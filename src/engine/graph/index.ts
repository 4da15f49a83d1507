/**
 * engine/graph — a tensor program as immutable values: symbolic sizes, rows of operations, verifier, printer, and the
 * interpreter that tests trust. Imports only errors. Invariant: names no operation and knows no runtime.
 */
export {
  broadcast,
  type Dim,
  evaluate,
  evaluateShape,
  minus,
  parseDim,
  plus,
  product,
  type Shape,
  type Sizes,
  sameShape,
  times,
} from './dims.ts';
export { type Boundary, flowsFrom, frontier } from './frontier.ts';
export { type HostArray, offsets, sizeOf, strides } from './hostArray.ts';
export { interpret } from './interpret.ts';
export {
  type Attribute,
  apply,
  applyAll,
  type Emitter,
  expectShape,
  isCostly,
  type Operand,
  type Operation,
  type Sample,
  type SampleInput,
  type Target,
} from './operation.ts';
export { print } from './print.ts';
export { rebuild } from './rebuild.ts';
export {
  constant,
  type Data,
  type DType,
  dataFrom,
  input,
  leaves,
  type Node,
  type Tensor,
  type Type,
  topological,
  withDim,
} from './tensor.ts';
export { verify } from './verify.ts';
