import { z } from 'zod';
import { basePrecisions } from '../models/nn/index.ts';

/** A key of every method that leaves weights frozen. It says how they are kept, and nothing about the method. */
export const basePrecision = z
  .enum(basePrecisions)
  .default('fp32')
  .meta({
    description:
      'How the frozen weights of linear layers are kept: as they are; in 8 bits, which halves their memory and makes ' +
      'steps faster, with products that are rounded; or in 4 bits (with `lora`: QLoRA), which takes a third.',
    aliases: ['quantization_bit', 'load_in_8bit', 'load_in_4bit', 'quantization'],
  });
