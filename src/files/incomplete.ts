import { AttuneError } from '../errors/index.ts';

/** A model folder that lacks a file, or has one that cannot be used. */
export function incomplete(where: string, problem: string): AttuneError {
  const fix = 'give a complete Hugging Face model folder (config.json, tokenizer.json, model.safetensors)';
  return new AttuneError({ code: 'MODEL_INCOMPLETE', where, problem, fix });
}
