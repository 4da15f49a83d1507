/** Weights by name, whether they lie in one file or in several. */
import type { Safetensors } from './safetensors.ts';

/** A matrix whose rows are blocks of 32 numbers of 4 bits: value = scale·(q − 8) + offset. */
export interface FourBitBlocks {
  /** Two neighbours a byte, the first in the lower half. */
  readonly nibbles: Uint8Array;
  /** One for each block, as the offsets. */
  readonly scales: Float32Array;
  readonly offsets?: Float32Array;
}

export interface Checkpoint {
  readonly names: readonly string[];
  shapeOf(name: string): readonly number[] | undefined;
  /** Equal for the same tensor of the same unchanged file; undefined where nothing tells. */
  identityOf(name: string): string | undefined;
  readFloats(name: string, into?: Float32Array): Promise<Float32Array>;
  /** Files that keep matrices in 4 bits: whether one is, and of which way round. */
  fourBitsOf?(name: string): { readonly hasOffsets: boolean; readonly transposed: boolean } | undefined;
  readFourBits?(name: string): Promise<FourBitBlocks>;
  close(): Promise<void>;
}

/** `rename` gives the name that a stored tensor has here; without one it is left out. */
export function joinFiles(
  files: readonly Safetensors[],
  rename: (stored: string) => string | undefined = (stored) => stored,
): Checkpoint {
  const places = new Map<string, { file: Safetensors; stored: string }>();
  for (const file of files) {
    for (const stored of file.tensors.keys()) {
      const name = rename(stored);
      if (name !== undefined) places.set(name, { file, stored });
    }
  }
  return {
    names: [...places.keys()],
    shapeOf(name) {
      const place = places.get(name);
      return place?.file.tensors.get(place.stored)?.shape;
    },
    identityOf(name) {
      const place = places.get(name);
      return place?.file.identity && `${place.file.identity} ${place.stored}`;
    },
    readFloats(name, into) {
      const place = places.get(name);
      if (!place) throw new Error(`internal: the checkpoint has no '${name}'`);
      return place.file.readFloats(place.stored, into);
    },
    close: async () => {
      for (const file of files) await file.close();
    },
  };
}
