/**
 * A graph whose matrices are kept in 8 bits and computed with as floats: each row in steps of its own. What is loaded turns
 * them back once; products are exact, for the inputs of language models have a few large values that rounding would spoil.
 */
import { type Data, input, leaves, rebuild, type Tensor } from '../../engine/graph/index.ts';
import { mul, quantiseRows, READ, toFloat } from '../../engine/ops/index.ts';
import type { FloatTensor } from '../../inference/merged.ts';

interface EightBits {
  readonly outputs: Readonly<Record<string, Tensor>>;
  /** What the new weights hold, by name. */
  readonly values: ReadonlyMap<string, Data>;
}

export function inEightBits(outputs: Readonly<Record<string, Tensor>>, tensors: readonly FloatTensor[]): EightBits {
  const matrices = new Map(tensors.filter(({ shape }) => shape.length === 2).map((tensor) => [tensor.name, tensor]));
  const values = new Map<string, Data>();
  const places = new Map<Tensor, Tensor>();
  for (const leaf of leaves(Object.values(outputs))) {
    const matrix = matrices.get(leaf.name ?? '');
    if (!matrix) continue;
    const [rows] = matrix.shape as [number, number];
    const { steps, scales } = quantiseRows(matrix.data, rows, READ);
    const [kept, scale] = [`${matrix.name}_int8`, `${matrix.name}_scale`];
    values.set(kept, steps).set(scale, scales);
    places.set(leaf, mul(toFloat(input(kept, 'int8', matrix.shape)), input(scale, 'float32', [rows, 1])));
  }
  const made = rebuild(Object.values(outputs), places);
  return { outputs: Object.fromEntries(Object.keys(outputs).map((name, i) => [name, made[i]!])), values };
}
