/**
 * engine/runtime — runs graphs: one Session interface, and what implements it on each platform (*.node.ts).
 * Imports engine/graph and engine/onnx. Invariant: knows neither models nor training.
 */
export { sizesOf } from './bindSizes.ts';
export type { OpenSession, Session, SessionOptions, Value, Values } from './session.ts';
