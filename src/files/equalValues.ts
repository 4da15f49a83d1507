import type { Checkpoint } from './checkpoint.ts';

interface Place {
  readonly checkpoint: Checkpoint;
  readonly name: string;
}

/** A matrix of a vocabulary is large: it is read in pieces. */
const PIECE = 1 << 20;

/** Whether two tensors have the same shape and values. */
export async function haveEqualValues(one: Place, other: Place): Promise<boolean> {
  const [shape, wanted] = [one, other].map(({ checkpoint, name }) => checkpoint.shapeOf(name)!) as [number[], number[]];
  if (shape.join() !== wanted.join()) return false;
  const count = shape.reduce((a, b) => a * b, 1);
  const step = one.checkpoint.readSome && other.checkpoint.readSome ? PIECE : count;
  for (let first = 0; first < count; first += step) {
    const read = ({ checkpoint, name }: Place): Promise<Float32Array> =>
      step < count
        ? checkpoint.readSome!(name, first, new Float32Array(Math.min(step, count - first)))
        : checkpoint.readFloats(name);
    const [values, others] = [await read(one), await read(other)];
    if (values.some((value, i) => !Object.is(value, others[i]) && value !== others[i])) return false;
  }
  return true;
}
