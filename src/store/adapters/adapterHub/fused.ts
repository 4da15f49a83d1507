/**
 * LoRA where one layer makes queries, keys and values: the library keeps a product of rank r for each matrix that it
 * adapts, below each other, A [n·r, in] and B [n·out, r]; here it is one, A [n·r, in] and B [3·out, n·r].
 */
import type { Checkpoint } from '../../../files/index.ts';

const MATRICES = 3;

/** `slots`: which of the three the library adapts, in order. */
export function openFused(stored: Checkpoint, layer: string, slots: readonly number[]): Checkpoint {
  const isFused = (name: string): boolean => name.endsWith(`.${layer}.lora_B.weight`);
  const count = slots.length;
  const joined = ([rows, rank]: readonly number[]): number[] => [(rows! / count) * MATRICES, rank! * count];
  return {
    ...stored,
    shapeOf(name) {
      const shape = stored.shapeOf(name);
      return shape && isFused(name) ? joined(shape) : shape;
    },
    async readFloats(name, into) {
      if (!isFused(name)) return await stored.readFloats(name, into);
      const [rows, rank] = stored.shapeOf(name) as [number, number];
      const values = into ?? new Float32Array(rows * MATRICES * rank);
      return spread(await stored.readFloats(name), { height: rows / count, rank, slots, into: values });
    },
  };
}

interface Spreading {
  /** Rows of one matrix. */
  readonly height: number;
  readonly rank: number;
  readonly slots: readonly number[];
  readonly into: Float32Array;
}

/** Each block of rows to the rows of its matrix, and to the columns of its own part of A. */
function spread(blocks: Float32Array, { height, rank, slots, into }: Spreading): Float32Array {
  into.fill(0);
  slots.forEach((slot, block) => {
    for (let row = 0; row < height; row++) {
      const from = (block * height + row) * rank;
      const to = ((slot * height + row) * slots.length + block) * rank;
      into.set(blocks.subarray(from, from + rank), to);
    }
  });
  return into;
}

/** One product of all three matrices as the library has it: they share A, and B stands as it is. */
export function threefold(a: Float32Array): Float32Array {
  const all = new Float32Array(MATRICES * a.length);
  for (let i = 0; i < MATRICES; i++) all.set(a, i * a.length);
  return all;
}
