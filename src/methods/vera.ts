/**
 * h = Wx + b ⊙ B(d ⊙ Ax) with W, A and B frozen, A [r, in] and B [out, r] random and the same for all layers
 * (https://arxiv.org/abs/2310.11454). b starts at zero: step 0 is the base model.
 */
import { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import { add, linear, matmul, mul, reshape, slice } from '../engine/ops/index.ts';
import type { Built, Initial, LinearSite, Method } from '../models/nn/index.ts';
import { basePrecision } from './basePrecision.ts';
import { defineMethod, layerDecay } from './definition.ts';
import { type Targeting, targetFields, targeting } from './targets.ts';
import { unfreezeSchedule } from './unfreezing.ts';

const settings = z
  .strictObject({
    name: z.literal('vera'),
    r: z.int().min(1).default(256).meta({ description: 'Rank of the random matrices.' }),
    d_initial: z
      .number()
      .refine((value) => value !== 0)
      .default(0.1)
      .meta({ description: 'What d starts from.', takes: 'a number that is not 0: from 0 nothing learns' }),
    vera_dropout: z.number().min(0).lt(1).default(0).meta({
      description: 'Share of the inputs of the random matrices that is dropped while training.',
    }),
    target_modules: targetFields.target_modules,
    modules_to_save: targetFields.modules_to_save,
    base_precision: basePrecision,
    layer_lr_decay: layerDecay,
    unfreeze_schedule: unfreezeSchedule,
  })
  .meta({ description: 'VeRA: two vectors a layer are trained, beside random matrices that all layers share.' });

type VeraSettings = z.output<typeof settings>;

export const vera = defineMethod({
  settings,
  learningRate: () => 4e-2,
  attach(given, { queryAndValue, norms }) {
    const places = targeting(given, queryAndValue, norms);
    const kept = { name: 'vera', trains: places.isWhole, validate: places.refuseIdle };
    return { ...kept, survey: (built) => ({ name: 'vera', ...veraMethod(given, places, built) }) };
  },
});

function veraMethod(given: VeraSettings, places: Targeting, built: Built): Pick<Method, 'linear' | 'mergedWeight'> {
  places.refuseIdle(built);
  const shapes = built.linears.filter(places.isTarget).map(({ shape }) => shape);
  const largest = [0, 1].map((axis) => Math.max(...shapes.map((shape) => shape[axis]!))) as [number, number];
  return {
    linear(site, next) {
      if (!places.isTarget(site)) return next();
      const { a, b, outer, inner } = vectorsAndMatrices(given, site, largest);
      const dropped = site.dropout(site.x, given.vera_dropout);
      return add(next(), mul(linear(mul(linear(dropped, a), inner), b), outer)); // [..., out]
    },
    mergedWeight(site, weight) {
      if (!places.isTarget(site)) return weight;
      const { a, b, outer, inner } = vectorsAndMatrices(given, site, largest);
      const [rows, columns] = [reshape(outer, [outer.shape[0]!, 1]), reshape(inner, [given.r, 1])];
      return add(weight, matmul(mul(b, rows), mul(a, columns))); // [out, in]
    },
  };
}

interface VectorsAndMatrices {
  /** [r, in] */
  readonly a: Tensor;
  /** [out, r] */
  readonly b: Tensor;
  /** [out] */
  readonly outer: Tensor;
  /** [r] */
  readonly inner: Tensor;
}

/** The random matrices fit the widest layers; each layer takes the part of them that it needs. */
function vectorsAndMatrices(
  { r, d_initial: start }: VeraSettings,
  { weight, added, shared }: LinearSite,
  [rows, columns]: readonly [number, number],
): VectorsAndMatrices {
  const [out, width] = weight.shape as [number, number];
  const random = (fanIn: number): Initial => ({ uniform: { bound: Math.sqrt(6 / fanIn) } });
  const a = shared('vera_A', [r, columns], random(columns), { trainable: false });
  const b = shared('vera_B', [rows, r], random(r), { trainable: false });
  return {
    a: slice(a, 1, { start: 0, length: width }),
    b: slice(b, 0, { start: 0, length: out }),
    outer: added('vera_lambda_b', [out], 'zeros'),
    inner: added('vera_lambda_d', [r], { constant: start }, { gradient: 'afterUpdate' }),
  };
}
