import { z } from 'zod';
import { basePrecisions } from '../models/nn/index.ts';

/** A key of every method that leaves weights frozen. It says how they are kept, and nothing about the method. */
export const basePrecision = z
  .enum(basePrecisions)
  .default('fp32')
  .meta({
    description:
      'How the frozen weights of linear layers are kept: as they are; in 8 bits, for faster steps, with products that are ' +
      'rounded (the weights take half, but the peak of a run of a small model is not lower); or in 4 bits (with `lora`: QLoRA), ' +
      'which take a third, and lower the peak of language models, whose layers are then computed again.',
    aliases: ['quantization_bit', 'load_in_8bit', 'load_in_4bit', 'quantization'],
  });
