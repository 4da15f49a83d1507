import type { Checkpoint } from '../../files/index.ts';

/** Every tensor of a checkpoint in float32. Closes it. */
export async function readTensors(checkpoint: Checkpoint) {
  try {
    return await Promise.all(
      checkpoint.names.map(async (name) => {
        const data = await checkpoint.readFloats(name);
        return { name, dtype: 'float32' as const, shape: checkpoint.shapeOf(name)!, data };
      }),
    );
  } finally {
    await checkpoint.close();
  }
}
