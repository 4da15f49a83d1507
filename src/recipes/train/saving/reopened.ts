/** After a save: what was saved is opened as its users open it, and has to be what was meant. */
import { AttuneError } from '../../../errors/index.ts';
import type { Checkpoint, NamedTensor } from '../../../files/index.ts';
import { sameFingerprint } from '../../../inference/fingerprint.ts';
import type { Manifest } from '../../../store/adapters/index.ts';

interface SavedTensor extends NamedTensor {
  readonly data: Float32Array;
}

/** The same names, shapes and bits. Closes the checkpoint. */
export async function expectTensors(saved: Checkpoint, meant: readonly SavedTensor[], where: string): Promise<void> {
  try {
    const names = new Set(meant.map(({ name }) => name));
    const foreign = saved.names.find((name) => !names.has(name));
    if (foreign !== undefined) throw faulty(where, `it has a tensor '${foreign}' that nobody meant`);
    for (const { name, shape, data } of meant) {
      const found = saved.shapeOf(name);
      if (!found) throw faulty(where, `its tensor '${name}' is missing`);
      if (found.join() !== shape.join()) throw faulty(where, `'${name}' has the shape [${found}], not [${shape}]`);
      if (!sameBits(await saved.readFloats(name), data))
        throw faulty(where, `'${name}' has other values than in memory`);
    }
  } finally {
    await saved.close();
  }
}

/** As integers: a loop over floats would take NaN for different from itself. */
function sameBits(found: Float32Array, meant: Float32Array): boolean {
  const a = new Int32Array(found.buffer, found.byteOffset, found.length);
  const b = new Int32Array(meant.buffer, meant.byteOffset, meant.length);
  for (let i = 0; i < b.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

export function expectFingerprint(found: readonly number[][], { fingerprint }: Manifest, where: string): void {
  if (!sameFingerprint(found, fingerprint)) throw faulty(where, 'it does not answer as it did in memory');
}

function faulty(where: string, problem: string): AttuneError {
  const fix = 'check the disk; what was saved before is kept, and --resume goes on from it';
  return new AttuneError({ code: 'SAVE_FAULTY', where, problem, fix });
}
