/** Named streams of random numbers. The whole state of a stream is the counter that its user keeps. */
import { philox, type Words } from './philox.ts';

export interface Stream {
  readonly name: string;
  readonly key: readonly [number, number];
}

/** The stream of a name under a seed: other names, and other seeds, give unrelated numbers. */
export function stream(seed: number, name: string): Stream {
  const high = Math.floor(seed / 0x100000000) >>> 0;
  const [k0, k1] = philox([fnv1a(name, 0x811c9dc5), fnv1a(name, 0x9747b28c), name.length, 0], [seed >>> 0, high]);
  return { name, key: [k0, k1] };
}

/** 128 bits at a place of a stream. `group` separates uses, such as epochs. */
const words = ({ key }: Stream, index: number, group = 0): Words =>
  philox([index >>> 0, Math.floor(index / 0x100000000) >>> 0, group >>> 0, 0], key);

/** A number in [0, 1), with 32 random bits. */
export const uniform = (from: Stream, index: number, group = 0): number => words(from, index, group)[0] / 0x100000000;

/** A number of the standard normal distribution (Box and Muller, 1958). */
export function normal(from: Stream, index: number, group = 0): number {
  const [a, b] = words(from, index, group);
  const radius = Math.sqrt(-2 * Math.log((a + 1) / 0x100000000));
  return radius * Math.cos((2 * Math.PI * b) / 0x100000000);
}

/** 0 … count − 1 in random order (Fisher and Yates). */
export function permutation(from: Stream, count: number, group = 0): number[] {
  const order = [...Array(count).keys()];
  for (let i = count - 1; i > 0; i--) {
    const j = Math.floor(uniform(from, i, group) * (i + 1));
    const chosen = order[j]!;
    order[j] = order[i]!;
    order[i] = chosen;
  }
  return order;
}

/** Fowler, Noll and Vo's hash of a text's UTF-16 units. */
function fnv1a(text: string, start: number): number {
  let hash = start;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}
