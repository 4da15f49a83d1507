/** How a row of the table of number types is made from the way one of its blocks is read. */
import { halfToFloat } from '../floats.ts';

export interface TensorType {
  readonly name: string;
  /** How many values lie in one block, and its bytes. */
  readonly values: number;
  readonly bytes: number;
  /** Whole blocks to the numbers they stand for. */
  toFloats(raw: Uint8Array, into: Float32Array): void;
}

/** Writes the values of the block at `at` from `to` on. */
type ReadBlock = (raw: Uint8Array, at: number, into: Float32Array, to: number) => void;

export function blockType(name: string, values: number, bytes: number, read: ReadBlock): TensorType {
  return {
    name,
    values,
    bytes,
    toFloats(raw, into) {
      for (let at = 0, to = 0; to < into.length; at += bytes, to += values) read(raw, at, into, to);
    },
  };
}

/** Every number of half precision, by its bits; made when the first is asked for. */
let halves: Float32Array | undefined;

export function halfAt(raw: Uint8Array, at: number): number {
  halves ??= Float32Array.from({ length: 1 << 16 }, (_, bits) => halfToFloat(bits));
  return halves[raw[at]! | (raw[at + 1]! << 8)]!;
}
