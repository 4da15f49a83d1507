import { z } from 'zod';

export const fullSettings = z
  .strictObject({ name: z.literal('full') })
  .meta({ description: 'Full fine-tuning: every weight of the model is trained.' });

export const fullDefaults = { learning_rate: 5e-5 };
