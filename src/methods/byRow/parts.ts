/** What an adapter does to the places of a model, as arrays. Those of many adapters are stacked, and each row reads its own. */

/**
 * Of a linear layer: y = f ⊙ W(g ⊙ x) + B·A x + V x + o. `b` is turned and has the scale of the product in it: [r, out].
 * `weight` is V [out, in]: a layer that was trained whole has f = 0.
 */
export type LinearPart = 'a' | 'b' | 'factor' | 'input_factor' | 'offset' | 'weight';
/** Of the end of a sublayer: U f(D h + d) + u, with U turned. */
export type BottleneckPart = 'down' | 'down_bias' | 'up' | 'up_bias';

/** One adapter's arrays, by the names of the inputs that stack them. What it leaves alone has none. */
export type Parts = ReadonlyMap<string, Float32Array>;
export type Part = readonly [name: string, values: Float32Array];

export const linearPart = (path: string, part: LinearPart): string => `${path}.by_row.${part}`;

/** Bottlenecks that read at different places, or through different functions, stand beside each other: `kind` tells them apart. */
export const bottleneckPart = (path: string, kind: string, part: BottleneckPart): string =>
  `${path}.by_row.${kind}.${part}`;

/** [rows, columns] → [columns, rows], times a number for each row. */
export function turned(
  values: Float32Array,
  { rows, factor }: { readonly rows: number; readonly factor: (row: number) => number },
): Float32Array {
  const columns = values.length / rows;
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const by = factor(row);
    for (let column = 0; column < columns; column++) {
      result[column * rows + row] = values[row * columns + column]! * by;
    }
  }
  return result;
}
