/** θ ← θ − Δθ for every weight θ: the whole model is trained. Step 0 is the base model. */
import { z } from 'zod';
import { defineMethod } from './definition.ts';

export const full = defineMethod({
  settings: z
    .strictObject({ name: z.literal('full') })
    .meta({ description: 'Full fine-tuning: every weight of the model is trained.' }),
  learningRate: () => 5e-5,
  attach: () => ({ name: 'full', trains: () => true }),
});
