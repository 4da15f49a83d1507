/** What a conversion to .gguf did to the values of a tensor, and how it is undone. */

export interface Layout {
  /** The shape that the values have here, from the one that is stored. */
  shape?(stored: readonly number[]): readonly number[];
  /** Whether a tensor can lie so. */
  fits(stored: readonly number[]): boolean;
  /** Which stored row becomes row `row` of `rows`. */
  row?(row: number, rows: number): number;
  /** Writes the stored values as they are here. */
  apply(stored: Float32Array, into: Float32Array, shape: readonly number[]): void;
}

export const minusOne: Layout = {
  fits: () => true,
  apply(stored, into) {
    for (let i = 0; i < into.length; i++) into[i] = stored[i]! - 1;
  },
};

export const transposed: Layout = {
  fits: ({ length }) => length === 2,
  shape: (stored) => stored.toReversed(),
  apply(stored, into, [rows = 1, width = 1]) {
    for (let row = 0; row < rows; row++) {
      for (let column = 0; column < width; column++) into[column * rows + row] = stored[row * width + column]!;
    }
  },
};

/** Rows of queries or keys: in the file the two that turn together are neighbours, here they are half a head apart. */
export function rotaryRows(heads: number): Layout {
  const row = (row: number, rows: number): number => {
    const headRows = rows / heads;
    const inHead = row % headRows;
    const half = headRows / 2;
    return row - inHead + (inHead < half ? 2 * inHead : 2 * (inHead - half) + 1);
  };
  return {
    fits: ([rows = 1]) => rows % (2 * heads) === 0,
    row,
    apply(stored, into, [rows = 1]) {
      const width = stored.length / rows;
      for (let to = 0; to < rows; to++) {
        const from = row(to, rows) * width;
        into.set(stored.subarray(from, from + width), to * width);
      }
    },
  };
}
