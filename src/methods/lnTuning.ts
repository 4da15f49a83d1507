/**
 * γ ← γ − Δγ, β ← β − Δβ of the layer norms, and nothing else but the head (https://arxiv.org/abs/2312.11420).
 * Step 0 is the base model.
 */
import { z } from 'zod';
import { basePrecision } from './basePrecision.ts';
import { defineMethod, layerDecay } from './definition.ts';
import { chooses } from './pattern.ts';
import {
  isSaved,
  moduleOf,
  names,
  nothingChosen,
  refuseIdleModules,
  refuseNoExpression,
  takesNames,
  targetFields,
  wantedOf,
} from './targets.ts';
import { unfreezeSchedule } from './unfreezing.ts';

const settings = z
  .strictObject({
    name: z.literal('ln_tuning'),
    target_modules: names.optional().meta({
      description: 'Layer norms that are trained: ends of their paths, or a regular expression.',
      takes: takesNames,
      defaultText: 'all of them',
    }),
    modules_to_save: targetFields.modules_to_save,
    base_precision: basePrecision,
    layer_lr_decay: layerDecay,
    unfreeze_schedule: unfreezeSchedule,
  })
  .meta({ description: "LayerNorm tuning: the layer norms and the task's head are trained." });

export const lnTuning = defineMethod({
  settings,
  learningRate: () => 3e-3,
  attach(given, { norms }) {
    const targets = given.target_modules ?? norms;
    const isNorm = (name: string): boolean => chooses(norms, moduleOf(name));
    return {
      name: 'ln_tuning',
      trains: ({ name, head }) => head || isSaved(given, name) || (isNorm(name) && chooses(targets, moduleOf(name))),
      validate(built) {
        refuseNoExpression(targets, 'method.target_modules');
        const found = built.parameters.filter(({ name }) => isNorm(name)).map(({ name }) => moduleOf(name));
        const idle = wantedOf(targets).find((one) => !found.some((path) => chooses(one, path)));
        if (idle !== undefined) throw nothingChosen('method.target_modules', idle, found);
        refuseIdleModules(given, built);
      },
    };
  },
});
