/**
 * models — one file per architecture, named by Hugging Face's model_type; nn/ has the blocks they share.
 * Imports engine and errors. Invariant: models never import methods; layers declare sites instead.
 */
export type { Architecture, BaseConfig } from './architecture.ts';
export { classificationOf, describeModel, knownModelTypes, languageModelOf, type ModelDescription } from './config.ts';
