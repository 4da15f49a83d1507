import type { Checkpoint } from '../../files/index.ts';

/** Every tensor of a checkpoint in float32, or those that are wanted. Closes it. */
export async function readTensors(checkpoint: Checkpoint, isWanted: (name: string) => boolean = () => true) {
  try {
    return await Promise.all(
      checkpoint.names.filter(isWanted).map(async (name) => {
        const data = await checkpoint.readFloats(name);
        return { name, dtype: 'float32' as const, shape: checkpoint.shapeOf(name)!, data };
      }),
    );
  } finally {
    await checkpoint.close();
  }
}
