/** Matrices of numbers to matrices of 8 bits, on the host. */

/**
 * Steps on either side of 0. Processors without VNNI add two products of 8 bits in 16: 2 · 255 · 63 fits, with 127 the
 * sum would be cut off in silence (docs/decisions/2026-11-23-onnx-export.md). What is only read may use all.
 */
export const SUMMED = 63;
export const READ = 127;

export interface QuantisedRows {
  /** Of the matrix's own layout. */
  readonly steps: Int8Array;
  /** One for each row. */
  readonly scales: Float32Array;
}

/** Each row in steps of a share of its largest value: row ≈ steps · scale. */
export function quantiseRows(data: Float32Array, rows: number, most: number): QuantisedRows {
  const width = data.length / rows;
  const steps = new Int8Array(data.length);
  const scales = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    const from = row * width;
    let largest = 0;
    for (let i = from; i < from + width; i++) largest = Math.max(largest, Math.abs(data[i]!));
    const scale = Math.fround(largest / most);
    scales[row] = scale;
    if (scale > 0) for (let i = from; i < from + width; i++) steps[i] = Math.round(data[i]! / scale);
  }
  return { steps, scales };
}

/** [rows, width] → [width, rows] */
export function transposed<A extends Int8Array | Float32Array>(matrix: A, rows: number): A {
  const width = matrix.length / rows;
  const result = matrix.slice() as A;
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < width; column++) result[column * rows + row] = matrix[row * width + column]!;
  }
  return result;
}
