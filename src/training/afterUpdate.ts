/** What methods do after each optimizer step, and the arrays that they go on from. */
import { sizeOf } from '../engine/graph/index.ts';
import type { Program } from '../models/nn/index.ts';
import type { ParameterMemory } from './parameterMemory.ts';
import type { GradientRegion } from './tables.ts';

type Finished = Pick<Program<unknown>, 'afterUpdate'>;

/** Room for what the methods go on from. What an earlier trainer of this memory left in it stays. */
export function makeRoom({ afterUpdate }: Finished, { remembered }: ParameterMemory): void {
  for (const { name, shape } of afterUpdate.flatMap(({ remembers }) => remembers)) {
    if (!remembered.has(name)) remembered.set(name, { shape, data: new Float32Array(sizeOf(shape)) });
  }
}

interface Made {
  readonly step: number;
  readonly gradientScale: number;
  readonly from: GradientRegion;
}

export function finishUpdate(
  { afterUpdate }: Finished,
  { trained, remembered }: ParameterMemory,
  { step, gradientScale, from }: Made,
): void {
  for (const { run } of afterUpdate) {
    run({
      step,
      gradientScale,
      weightOf: (name) => trained.get(name)!.arrays.weight,
      gradientOf: (name) => trained.get(name)!.arrays[from],
      remembered: (name) => remembered.get(name)!.data,
    });
  }
}
