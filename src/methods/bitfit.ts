/** b ← b − Δb for every bias b, and nothing else but the head (https://arxiv.org/abs/2106.10199). Step 0 is the base model. */
import { z } from 'zod';
import { AttuneError } from '../errors/index.ts';
import { basePrecision } from './basePrecision.ts';
import { defineMethod, layerDecay } from './definition.ts';
import { unfreezeSchedule } from './unfreezing.ts';

export const bitfit = defineMethod({
  settings: z
    .strictObject({
      name: z.literal('bitfit'),
      base_precision: basePrecision,
      layer_lr_decay: layerDecay,
      unfreeze_schedule: unfreezeSchedule,
    })
    .meta({ description: "BitFit: the biases of the model and the task's head are trained." }),
  learningRate: () => 3e-3,
  attach: () => ({
    name: 'bitfit',
    trains: ({ name, head }) => head || name.endsWith('.bias'),
    validate({ parameters }) {
      if (parameters.some(({ name, head }) => !head && name.endsWith('.bias'))) return;
      const problem = 'this model has no biases';
      throw new AttuneError({ code: 'CONFIG_INVALID', where: 'method.name', problem, fix: 'use lora or ln_tuning' });
    },
  }),
});
