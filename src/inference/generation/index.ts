/**
 * inference/generation — text from language models: the cache, the choice of tokens, batches and streams.
 * Imports training, tasks, models, engine, errors. Invariant: knows tokens; text is the business of whoever decodes them.
 */
export { type Decoder, type DecoderOptions, openDecoder } from './decoder.ts';
export {
  type Completion,
  type FinishReason,
  type GeneratedToken,
  type GenerationRequest,
  generate,
  streamTokens,
} from './generate.ts';
export { refuseUnknownTokens } from './refusals.ts';
export { type GenerationOptions, type GenerationSettings, generationSettings } from './settings.ts';
export { openTextStream, type TextStream, textBefore } from './text.ts';
