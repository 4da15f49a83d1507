/**
 * training/guards — each step is looked at before its update: skip it, go back to a good state, or stop.
 * Invariant: what the guards remember is plain data; they say what is to be done, and tell nobody.
 */
export { areFinite } from './finite.ts';
export { type GuardOptions, type GuardState, type Guards, type Incident, openGuards } from './guards.ts';
export type { GuardSettings, SpikeAction } from './ladder.ts';
