/**
 * Of broken weights an answer would be the first token again and again. Looking through all weights costs as much as
 * reading them: what they answer is looked at, and only what cannot be an answer has them searched.
 */
import { AttuneError } from '../errors/index.ts';
import { areFinite, type ParameterMemory } from '../training/index.ts';
import type { Decoder } from './generation/index.ts';
import type { Scorer } from './scorer.ts';

interface Weights {
  readonly memory: ParameterMemory;
  /** Where they come from. */
  readonly folder: string;
}

/** Throws where scores are infinite or not a number, with the name of the weight that is. */
export function refuseNotFiniteScores(scores: Float32Array, { memory, folder }: Weights): Float32Array {
  if (areFinite(scores)) return scores;
  const name = brokenWeight(memory);
  throw new AttuneError({
    code: 'WEIGHTS_NOT_FINITE',
    where: name === undefined ? folder : `${folder} '${name}'`,
    problem: name === undefined ? 'its scores are infinite or not a number' : 'it holds values that are not finite',
    fix: 'fetch or copy the file again, or use a checkpoint from before it broke',
  });
}

function brokenWeight({ frozen, packed }: ParameterMemory): string | undefined {
  for (const [name, values] of frozen) if (!areFinite(values)) return name;
  for (const [name, parts] of packed) {
    const numbers = Object.values(parts).flatMap(({ data }) => (data instanceof Float32Array ? [data] : []));
    if (!numbers.every(areFinite)) return name;
  }
  return undefined;
}

export const withFiniteTokens = (decoder: Decoder, weights: Weights): Decoder => ({
  ...decoder,
  read: async (...asked) => refuseNotFiniteScores(await decoder.read(...asked), weights),
});

export const withFiniteScores = (scorer: Scorer, weights: Weights): Scorer => ({
  ...scorer,
  async score(feeds) {
    const found = await scorer.score(feeds);
    refuseNotFiniteScores(found.logits, weights);
    refuseNotFiniteScores(Float32Array.of(found.lossSum), weights);
    return found;
  },
});
