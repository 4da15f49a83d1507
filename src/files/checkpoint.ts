/** Weights by name, whether they lie in one file or in several. */
import { AttuneError } from '../errors/index.ts';
import type { Safetensors } from './safetensors.ts';

/** How a file keeps a matrix whose rows are blocks of 32 numbers of few bits. */
export interface OwnForm {
  /** 4: value = scale·(q − 8) + offset. 8: value = scale·(q − 128). */
  readonly bits: 4 | 8;
  readonly hasOffsets: boolean;
  /** The blocks are those of the transpose. */
  readonly transposed: boolean;
}

export interface OwnBlocks {
  /** Of 4 bits two neighbours a byte, the first in the lower half. */
  readonly values: Uint8Array;
  /** One for each block of each row. [rows, blocks] */
  readonly scales: Float32Array;
  /** The same the other way round. [blocks, rows] */
  readonly offsets?: Float32Array;
}

export interface Checkpoint {
  readonly names: readonly string[];
  shapeOf(name: string): readonly number[] | undefined;
  /** Equal for the same tensor of the same unchanged file; undefined where nothing tells. */
  identityOf(name: string): string | undefined;
  readFloats(name: string, into?: Float32Array): Promise<Float32Array>;
  /** Of files that can be read in pieces: as many values as `into` has places for, from number `first` on. */
  readSome?(name: string, first: number, into: Float32Array): Promise<Float32Array>;
  /** Of files that keep matrices so. */
  ownFormOf?(name: string): OwnForm | undefined;
  readOwnBlocks?(name: string): Promise<OwnBlocks>;
  close(): Promise<void>;
}

/** Tensors that lie in memory; who reads one gets a copy. */
export function checkpointOver(
  tensors: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>,
): Checkpoint {
  return {
    names: [...tensors.keys()],
    shapeOf: (name) => tensors.get(name)?.shape,
    identityOf: () => undefined,
    async readFloats(name, into = new Float32Array(tensors.get(name)!.data.length)) {
      into.set(tensors.get(name)!.data);
      return into;
    },
    close: async () => undefined,
  };
}

interface Place {
  readonly file: Safetensors;
  readonly stored: string;
}

/** Only one of them would be read, and nobody knows which is meant. */
function twoOfOne(name: string, [one, other]: readonly [Place, Place]): AttuneError {
  const elsewhere = one.file === other.file ? '' : ` of ${one.file.name}`;
  return new AttuneError({
    code: 'SAFETENSORS_CORRUPT',
    where: other.file.name,
    problem: `its tensor '${other.stored}' and '${one.stored}'${elsewhere} are both '${name}' of the model`,
    fix: 'save it again with the program that made it',
  });
}

/** `rename` gives the name that a stored tensor has here; without one it is left out. Refuses two for one name. */
export function joinFiles(
  files: readonly Safetensors[],
  rename: (stored: string, file: Safetensors) => string | undefined = (stored) => stored,
): Checkpoint {
  const places = new Map<string, Place>();
  for (const file of files) {
    for (const stored of file.tensors.keys()) {
      const name = rename(stored, file);
      if (name === undefined) continue;
      const other = places.get(name);
      if (other) throw twoOfOne(name, [other, { file, stored }]);
      places.set(name, { file, stored });
    }
  }
  const placeOf = (name: string) => {
    const place = places.get(name);
    if (!place) throw new Error(`internal: the checkpoint has no '${name}'`);
    return place;
  };
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
      const { file, stored } = placeOf(name);
      return file.readFloats(stored, into);
    },
    readSome(name, first, into) {
      const { file, stored } = placeOf(name);
      return file.readSome(stored, first, into);
    },
    close: async () => {
      for (const file of files) await file.close();
    },
  };
}
