/** The head of a base, for an adapter that has none: it answers with the base's, and other programs look for one in its file. */
import { openCheckpoint } from '../../files/modelFolder.node.ts';
import { readTensors } from './tensors.ts';

type Tensors = Awaited<ReturnType<typeof readTensors>>;

interface Head {
  /** The base's folder. */
  readonly base: string;
  readonly headModules: readonly string[];
}

export async function withHead<T extends Tensors[number]>(tensors: readonly T[], { base, headModules }: Head) {
  const isHead = (name: string): boolean => headModules.some((module) => name.startsWith(`${module}.`));
  if (headModules.length === 0 || tensors.some(({ name }) => isHead(name))) return tensors;
  return [...tensors, ...(await readTensors(await openCheckpoint(base), isHead))];
}
