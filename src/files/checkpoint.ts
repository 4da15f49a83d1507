/** A model's weights by name, whether they lie in one file or in several. */
import type { Safetensors } from './safetensors.ts';

export interface Checkpoint {
  readonly names: readonly string[];
  shapeOf(name: string): readonly number[] | undefined;
  readFloats(name: string, into?: Float32Array): Promise<Float32Array>;
  close(): Promise<void>;
}

export function joinFiles(files: readonly Safetensors[]): Checkpoint {
  const fileOf = new Map(files.flatMap((file) => [...file.tensors.keys()].map((name) => [name, file] as const)));
  return {
    names: [...fileOf.keys()],
    shapeOf: (name) => fileOf.get(name)?.tensors.get(name)?.shape,
    readFloats(name, into) {
      const file = fileOf.get(name);
      if (!file) throw new Error(`internal: the checkpoint has no '${name}'`);
      return file.readFloats(name, into);
    },
    close: async () => {
      for (const file of files) await file.close();
    },
  };
}
