/** The head of a base, for an adapter that has none: it answers with the base's, and other programs look for one in its file. */
import { openCheckpoint } from '../../../files/modelFolder.node.ts';
import type { FloatTensor } from '../../../inference/merged.ts';
import { liesIn } from '../../../methods/pattern.ts';
import { readTensors } from '../tensors.ts';

interface Head {
  /** The base's folder. */
  readonly base: string;
  readonly headModules: readonly string[];
}

export async function withHead(
  tensors: readonly FloatTensor[],
  { base, headModules }: Head,
): Promise<readonly FloatTensor[]> {
  const isHead = (name: string): boolean => liesIn(headModules, name);
  if (headModules.length === 0 || tensors.some(({ name }) => isHead(name))) return tensors;
  return [...tensors, ...(await readTensors(await openCheckpoint(base), isHead))];
}
