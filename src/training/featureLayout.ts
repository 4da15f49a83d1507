/** How the features of rows lie in memory: without padding one after the other, and padded side by side in a batch. */
import { sizeOf, type Tensor } from '../engine/graph/index.ts';
import type { Value } from '../engine/runtime/index.ts';
import type { Features } from '../models/nn/index.ts';

/** One feature: a row of it has outer × tokens × inner floats, or inner where it has no tokens. */
export interface Layout {
  readonly name: string;
  readonly shape: Tensor['shape'];
  readonly outer: number;
  readonly inner: number;
  readonly perToken: boolean;
}

export const layoutsOf = (features: Features): Layout[] =>
  Object.entries(features).map(([name, { shape }]) => {
    const axis = shape.indexOf('tokens');
    const [before, after] = axis > 0 ? [shape.slice(1, axis), shape.slice(axis + 1)] : [[], shape.slice(1)];
    return { name, shape, outer: sizeOf(before as number[]), inner: sizeOf(after as number[]), perToken: axis > 0 };
  });

const floatsOf = ({ outer, inner, perToken }: Layout, tokens: number): number =>
  outer * inner * (perToken ? tokens : 1);

/** Floats of all features of a row. */
export const rowFloats = (layouts: readonly Layout[], tokens: number): number =>
  layouts.reduce((sum, layout) => sum + floatsOf(layout, tokens), 0);

/** The features of a batch, row after row, without the padding. */
export function cutRows(
  layouts: readonly Layout[],
  batch: Readonly<Record<string, Value>>,
  lengths: readonly number[],
): Float32Array {
  const longest = Math.max(...lengths);
  const values = new Float32Array(lengths.reduce((sum, tokens) => sum + rowFloats(layouts, tokens), 0));
  let at = 0;
  lengths.forEach((tokens, i) => {
    for (const layout of layouts) {
      const from = { values: batch[layout.name]!.data as Float32Array, at: i * floatsOf(layout, longest) };
      copyRow(layout, { ...from, tokens: longest }, { values, at, tokens });
      at += floatsOf(layout, tokens);
    }
  });
  return values;
}

/** The reverse: rows as a batch, padded with zeros to the longest of them. */
export function joinRows(
  layouts: readonly Layout[],
  rows: readonly Float32Array[],
  lengths: readonly number[],
): Record<string, Value> {
  const longest = Math.max(...lengths);
  const sizes: Readonly<Record<string, number>> = { batch: rows.length, tokens: longest };
  const read = new Array<number>(rows.length).fill(0);
  const batch: Record<string, Value> = {};
  for (const layout of layouts) {
    const size = floatsOf(layout, longest);
    const data = new Float32Array(rows.length * size);
    for (let i = 0; i < rows.length; i++) {
      const tokens = lengths[i]!;
      copyRow(layout, { values: rows[i]!, at: read[i]!, tokens }, { values: data, at: i * size, tokens: longest });
      read[i]! += floatsOf(layout, tokens);
    }
    const shape = layout.shape.map((dim) => (typeof dim === 'number' ? dim : sizes[dim]!));
    batch[layout.name] = { dtype: 'float32', shape, data };
  }
  return batch;
}

/** A row's place in an array in which it has this many tokens, perhaps with padding. */
interface Place {
  readonly values: Float32Array;
  readonly at: number;
  readonly tokens: number;
}

function copyRow({ outer, inner, perToken }: Layout, from: Place, to: Place): void {
  const [given, wanted] = perToken ? [from.tokens, to.tokens] : [1, 1];
  const count = Math.min(given, wanted) * inner;
  for (let o = 0; o < outer; o++) {
    const start = from.at + o * given * inner;
    to.values.set(from.values.subarray(start, start + count), to.at + o * wanted * inner);
  }
}
