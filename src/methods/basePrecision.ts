import { z } from 'zod';
import { basePrecisions } from '../models/nn/index.ts';

/** A key of every method that leaves weights frozen. It says how they are kept, and nothing about the method. */
export const basePrecision = z
  .enum(basePrecisions)
  .default('fp32')
  .meta({
    description:
      'How the frozen weights of linear layers are kept: as they are, or in 8 bits, which takes a quarter of the memory ' +
      'and makes steps faster; products are then rounded.',
    aliases: ['quantization_bit', 'load_in_8bit', 'quantization'],
  });
