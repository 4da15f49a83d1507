/** Gradual unfreezing: what is trained by a step, and which update was its first. */
import { type Program, trainedOf } from '../models/nn/index.ts';
import type { Opened } from './optimizer.ts';
import type { ParameterMemory } from './parameterMemory.ts';

const FIRST_UPDATES = 'first_updates';

export interface Stages {
  /** How many stages have begun by a step. */
  at(step: number): number;
  /** Whether a parameter is trained once so many have begun. */
  isOpen(parameter: { readonly opensAfter: number }, begun: number): boolean;
  /** For the optimizer; undefined where all is trained from the first step. */
  opened(begun: number): Opened | undefined;
  /** Before an update, which has this number: it is the first one of what has just opened. */
  begin(begun: number, update: number): void;
}

export function openStages(program: Program<unknown>, { remembered }: ParameterMemory): Stages {
  const starts = [...new Set(trainedOf(program).map(({ parameter }) => parameter.opensAfter))].sort((a, b) => a - b);
  const count = starts.length;
  const firsts = remembered.get(FIRST_UPDATES)?.data ?? new Float32Array(count);
  if (count > 1) remembered.set(FIRST_UPDATES, { shape: [count], data: firsts });
  return {
    // What a run measures before its first step, it measures of what begins with it.
    at: (step) => Math.max(1, starts.filter((start) => start < step).length),
    isOpen: ({ opensAfter }, begun) => starts.indexOf(opensAfter) < begun,
    opened(begun) {
      if (count < 2) return undefined;
      return (opensAfter) => {
        const stage = starts.indexOf(opensAfter);
        return stage < begun ? Math.max(0, firsts[stage]! - 1) : undefined;
      };
    },
    begin(begun, update) {
      // A run that has gone back to before it opened begins it again.
      for (let stage = 0; stage < begun; stage++) {
        if (firsts[stage] === 0 || firsts[stage]! > update) firsts[stage] = update;
      }
    },
  };
}
