/** The weights of a program that only answers, from a base's folder and perhaps an adapter. */
import type { Checkpoint } from '../files/index.ts';
import { openCheckpoint } from '../files/modelFolder.node.ts';
import type { Architecture } from '../models/index.ts';
import type { Program } from '../models/nn/index.ts';
import { type FrozenWeights, loadFrozen } from './frozenWeights.ts';

interface Places {
  readonly folder: string;
  readonly adapter?: (Checkpoint & { readonly where: string }) | undefined;
  readonly architecture: Architecture;
}

export async function loadWeights(
  program: Program<unknown>,
  { folder, adapter, architecture }: Places,
): Promise<FrozenWeights> {
  const parameters = program.parameters.map(({ parameter }) => parameter);
  const base = { ...(await openCheckpoint(folder)), where: folder };
  return await loadFrozen(parameters, { base, adapter, architecture }).finally(base.close);
}
