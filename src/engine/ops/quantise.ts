/** Matrices of numbers to matrices of 8 bits, on the host. */

/**
 * Steps on either side of 0. Processors without VNNI add two products of 8 bits in 16: 2 · 255 · 63 fits, with 127 the
 * sum would be cut off in silence (docs/decisions/2026-11-23-onnx-export.md). What is only read may use all.
 */
export const SUMMED = 63;
export const READ = 127;

/** Neighbours that share a scale in 4 bits. */
export const BLOCK = 32;

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

export interface QuantisedBlocks {
  /** Two neighbours a byte, the first in the lower half. */
  readonly nibbles: Uint8Array;
  /** One for each block. */
  readonly scales: Float32Array;
}

/**
 * Blocks of 32 neighbours: value ≈ (nibble − 8) · scale. The value that is farthest from 0 is met exactly, at −8 steps,
 * as llama.cpp's Q4_0 does it.
 */
export function quantiseBlocks(data: Float32Array): QuantisedBlocks {
  const nibbles = new Uint8Array(data.length / 2);
  const scales = new Float32Array(data.length / BLOCK);
  for (let block = 0; block < scales.length; block++) {
    const from = block * BLOCK;
    let farthest = 0;
    for (let i = from; i < from + BLOCK; i++) if (Math.abs(data[i]!) > Math.abs(farthest)) farthest = data[i]!;
    const scale = Math.fround(farthest / -8);
    scales[block] = scale;
    for (let i = from; i < from + BLOCK; i++) {
      const step = scale === 0 ? 8 : Math.min(15, Math.round(data[i]! / scale) + 8);
      nibbles[i >> 1]! |= i % 2 ? step << 4 : step;
    }
  }
  return { nibbles, scales };
}
