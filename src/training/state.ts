/**
 * What the next step needs of the steps before it, as tensors: each region of each trained parameter that outlives a
 * step, and what else is remembered.
 */
import { AttuneError } from '../errors/index.ts';
import type { NamedTensor } from '../files/index.ts';
import type { NamedCheckpoint } from './loadParameters.ts';
import { type ParameterMemory, stateRegions } from './parameterMemory.ts';

export interface StateTensor extends NamedTensor {
  readonly dtype: 'float32';
  readonly data: Float32Array;
}

/** The arrays are the live ones. */
export function stateOf({ trained, remembered }: ParameterMemory): StateTensor[] {
  const regions = [...trained.values()].flatMap(({ parameter: { name, shape }, arrays }) =>
    stateRegions.map((region): StateTensor => {
      return { name: `${region}.${name}`, dtype: 'float32', shape, data: arrays[region] };
    }),
  );
  const others = [...remembered].map(([name, { shape, data }]): StateTensor => {
    return { name: `remembered.${name}`, dtype: 'float32', shape, data };
  });
  return [...regions, ...others];
}

/** Throws before anything is read unless the saved tensors are exactly those that the memory has. */
export async function restoreState(memory: ParameterMemory, saved: NamedCheckpoint): Promise<void> {
  const wanted = stateOf(memory);
  const names = new Set(wanted.map(({ name }) => name));
  const foreign = saved.names.find((name) => !names.has(name));
  if (foreign !== undefined) throw mismatch(saved.where, `this run has no place for its tensor '${foreign}'`);
  for (const { name, shape } of wanted) {
    const stored = saved.shapeOf(name);
    if (!stored) throw mismatch(saved.where, `it has no tensor '${name}'`);
    if (stored.join() === shape.join()) continue;
    throw mismatch(saved.where, `the shape of '${name}' is [${stored.join(', ')}], this run has [${shape.join(', ')}]`);
  }
  for (const { name, data } of wanted) await saved.readFloats(name, data);
}

function mismatch(where: string, problem: string): AttuneError {
  const fix = 'resume with the recipe that the run began with, or choose another output_dir';
  return new AttuneError({ code: 'RESUME_CHANGED', where, problem, fix });
}
