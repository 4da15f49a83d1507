/** Folders that other programs saved: their names, networks that they keep to themselves, weights that they merge. */
import { expect } from 'vitest';
import type { Value } from '../../src/engine/runtime/index.ts';
import { type Checkpoint, checkpointOver } from '../../src/files/index.ts';
import { type MethodSettings, methods } from '../../src/methods/index.ts';
import type { Program } from '../../src/models/nn/index.ts';
import { ownHubName } from '../../src/store/adapters/adapterHub/folder.node.ts';
import { requirePlaces } from '../../src/store/adapters/adapterHub/places.ts';
import { ownName } from '../../src/store/adapters/peft/names.ts';
import { type ParameterMemory, parameterValues } from '../../src/training/index.ts';
import { type readTensors, relativeError, runtime } from './fixtures.ts';

type Golden = Awaited<ReturnType<typeof readTensors>>;

const hubPlaces = requirePlaces('bert', 'golden files');

/** Our name of a tensor: PEFT's begin with a root of their own, AdapterHub's hold the adapter's name. */
export const own = (name: string): string | undefined => ownName(name) ?? ownHubName(name, 'reviews', hubPlaces);

/** Whether PEFT's folder has what a network makes, and not the network. */
export const isEncoded = ({ trained }: { readonly trained: object }): boolean =>
  Object.keys(trained).some((name) => name.startsWith('prompt_encoder.'));

/** Such a method, by its name in a golden file. */
export function encodedMethod(golden: string, settings: object): MethodSettings {
  const name = golden === 'p_tuning' ? golden : 'prefix_tuning';
  return methods[name].settings.parse({ name, ...settings });
}

/** What PEFT does not save begins from the golden file. */
export function startOf(golden: Golden): Checkpoint {
  const start = new Map(
    [...golden].flatMap(([key, value]) => (/^start\./.test(key) ? [[own(key.slice(6))!, value]] : [])),
  );
  return checkpointOver(start);
}

interface Opened {
  readonly program: Program<unknown>;
  readonly memory: ParameterMemory;
}

/** Values of merged weights at the positions of a golden file, and whole biases. Gives the number of weights. */
export async function expectMerged({ program, memory }: Opened, golden: Golden): Promise<number> {
  const values = [...golden].filter(([key]) => key.startsWith('merged.values.'));
  if (values.length === 0) return 0;
  const outputs = Object.fromEntries([...program.merged].map(([name, tensor]) => [`merged.${name}`, tensor]));
  const kept = parameterValues(program, memory);
  await using session = await runtime.open(outputs, { threads: 1 });
  const merged = await session.run(kept);
  // Nothing is merged into a layer whose ranks were all given up, nor into most biases.
  const current = (name: string): Value => merged[`merged.${name}`] ?? kept[name]!;
  for (const [key, { data }] of values) {
    const layer = key.slice('merged.values.'.length).replace(/^base_model\.model\./, '');
    const name = layer.endsWith('.weight') ? layer : `${layer}.weight`;
    const positions = golden.get(key.replace('values', 'positions'))!.data;
    const weight = current(name).data as Float32Array;
    const sampled = [...positions].map((position) => weight[position]!);
    expect(relativeError(sampled, data), layer).toBeLessThan(1e-6);
    const bias = name.replace(/weight$/, 'bias');
    const whole = golden.get(`merged.${bias}.whole`);
    if (whole) expect(relativeError(current(bias).data as Float32Array, whole.data), bias).toBeLessThan(1e-6);
  }
  return values.length;
}

export interface GoldenCurve {
  readonly plan: Record<string, number>;
  readonly float64: { readonly loss: readonly number[] };
}

export function expectLosses(losses: readonly number[], { float64 }: GoldenCurve): void {
  expect(losses.length).toBe(float64.loss.length);
  losses.forEach((loss, i) => {
    expect(Math.abs(loss / float64.loss[i]! - 1), `step ${i + 1}`).toBeLessThan(1e-4);
  });
}
