/** θ ← θ − Δθ for every weight θ: the whole model is trained. Step 0 is the base model. */
import { z } from 'zod';
import { defineMethod, layerDecay } from './definition.ts';
import { unfreezeSchedule } from './unfreezing.ts';

export const full = defineMethod({
  settings: z
    .strictObject({ name: z.literal('full'), layer_lr_decay: layerDecay, unfreeze_schedule: unfreezeSchedule })
    .meta({
      description: 'Full fine-tuning: every weight of the model is trained.',
      without: { base_precision: 'full trains the weights that it would round: use lora over such a base' },
    }),
  learningRate: () => 5e-5,
  attach: () => ({ name: 'full', trains: () => true }),
});
