/** What cannot be generated from, or with. */
import { AttuneError } from '../../errors/index.ts';
import type { Decoder } from './decoder.ts';
import type { GenerationRequest } from './generate.ts';
import type { GenerationSettings } from './settings.ts';

export function refuseUnusable(
  decoder: Pick<Decoder, 'vocabularySize' | 'longest'>,
  { inputIds, decode }: GenerationRequest,
  settings: GenerationSettings,
): void {
  if (settings.stop.length > 0 && !decode) throw new Error('internal: texts to stop at need a decoder of tokens');
  refuseUnknownTokens(settings, decoder.vocabularySize);
  const empty = inputIds.findIndex((ids) => ids.length === 0);
  if (empty >= 0)
    throw unusable(empty, 'it has no tokens', 'give it at least one, such as the token that begins texts');
  const long = inputIds.findIndex((ids) => ids.length >= decoder.longest);
  if (long < 0) return;
  const problem = `it has ${inputIds[long]!.length} tokens, and the model has positions for ${decoder.longest}`;
  throw unusable(long, problem, `give at most ${decoder.longest - 1} tokens`);
}

const unusable = (prompt: number, problem: string, fix: string): AttuneError =>
  new AttuneError({ code: 'PROMPT_LENGTH', where: `prompt ${prompt + 1}`, problem, fix });

/** Known as soon as the model's config is. */
export function refuseUnknownTokens({ logit_bias }: GenerationSettings, vocabularySize: number): void {
  const unknown = Object.keys(logit_bias).find((id) => Number(id) >= vocabularySize);
  if (unknown === undefined) return;
  const problem = `there is no token ${unknown}: the vocabulary has ${vocabularySize}`;
  throw new AttuneError({ code: 'CONFIG_INVALID', where: 'logit_bias', problem, fix: 'give the ids of tokens' });
}
