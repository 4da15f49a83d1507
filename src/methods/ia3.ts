/**
 * h = l ⊙ Wx at keys and values, h = W(l ⊙ x) where a sublayer ends, with W frozen (https://arxiv.org/abs/2205.05638).
 * l starts at one: step 0 is the base model.
 */
import { z } from 'zod';
import { mul, reshape } from '../engine/ops/index.ts';
import { AttuneError } from '../errors/index.ts';
import type { LinearSite } from '../models/nn/index.ts';
import { basePrecision } from './basePrecision.ts';
import { linearPart } from './byRow/parts.ts';
import { defineMethod, layerDecay } from './definition.ts';
import { chooses } from './pattern.ts';
import { asName, refuseNoExpression, takesNames, targetFields, targeting } from './targets.ts';
import { unfreezeSchedule } from './unfreezing.ts';

const settings = z
  .strictObject({
    name: z.literal('ia3'),
    ...targetFields,
    target_modules: targetFields.target_modules.meta({
      ...targetFields.target_modules.meta(),
      defaultText: "keys, values and the layers at the end of sublayers, under the model's names",
    }),
    feedforward_modules: z
      .union([z.string().min(1), z.array(z.string().min(1))])
      .optional()
      .meta({
        description: 'Those of the `target_modules` whose inputs are scaled, and not what they give; `[]`: none.',
        takes: takesNames,
        defaultText: 'the layers at the end of sublayers',
      }),
    base_precision: basePrecision,
    layer_lr_decay: layerDecay,
    unfreeze_schedule: unfreezeSchedule,
  })
  .meta({ description: 'IA³: one factor for each output, or input, of some linear layers is trained.' });

export const ia3 = defineMethod({
  settings,
  learningRate: () => 1.5e-2,
  attach(given, { keyAndValue, sublayerEnds, norms }) {
    const places = targeting(given, [...keyAndValue, ...sublayerEnds], norms);
    const ends = given.feedforward_modules ?? sublayerEnds;
    const isEnd = ({ path }: { readonly path: string }): boolean => chooses(ends, path);
    return {
      name: 'ia3',
      trains: places.isWhole,
      validate(built) {
        places.refuseIdle(built);
        refuseNoExpression(given.feedforward_modules, 'method.feedforward_modules');
        const targeted = built.linears.filter(places.isTarget);
        if (given.feedforward_modules === undefined || ends.length === 0 || targeted.some(isEnd)) return;
        const paths = targeted.map(({ path }) => path);
        const fix = asName(ends, paths) ?? 'name layers that target_modules names too';
        const problem = `${JSON.stringify(ends)} chooses none of the layers of target_modules`;
        throw new AttuneError({ code: 'CONFIG_INVALID', where: 'method.feedforward_modules', problem, fix });
      },
      linear(site, next) {
        if (!places.isTarget(site)) return next();
        const [out, width] = site.weight.shape as [number, number];
        return isEnd(site)
          ? next(mul(site.x, reshape(factors(site, true), [width])))
          : mul(next(), reshape(factors(site, false), [out]));
      },
      mergedWeight: (site, weight) => (places.isTarget(site) ? mul(weight, factors(site, isEnd(site))) : weight),
      mergedBias(site, bias) {
        if (!places.isTarget(site) || isEnd(site)) return bias;
        return mul(bias, reshape(factors(site, false), bias.shape));
      },
    };
  },
  byRow: (_, { places, shapeOf, take }) =>
    places('ia3_l').map((path) => {
      const name = `${path}.ia3_l`;
      const isEnd = shapeOf(name)[0] === 1;
      return [linearPart(path, isEnd ? 'input_factor' : 'factor'), take(name)];
    }),
});

/** [1, in] where inputs are scaled, else [out, 1]: so one multiplies the weight's columns, the other its rows. */
function factors({ weight, added }: LinearSite, ofInputs: boolean) {
  const [out, width] = weight.shape as [number, number];
  return added('ia3_l', ofInputs ? [1, width] : [out, 1], 'ones');
}
