/**
 * engine/onnx — a graph as ONNX bytes: the protobuf writer and the Emitter that rows write themselves through.
 * Imports engine/graph. Invariant: names no operation of ours; each row knows its ONNX form.
 */
export type { OnnxOptions } from './graphWriter.ts';
export { onnxType, type StoredTensor } from './messages.ts';
export { type OnnxModel, toOnnx } from './toOnnx.ts';
