/**
 * h = m ⊙ (W + s·BA)x / ‖W + s·BA‖ with a norm for each row and W frozen (https://arxiv.org/abs/2402.09353).
 * m starts at ‖W‖ and B at zero: step 0 is the base model. With `lora_dropout` BA alone reads the dropped x; PEFT lets
 * (m/‖W + s·BA‖ − 1)·W read it too, which would multiply by W twice.
 */
import { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import { add, div, mul, reshape, sqrt, stopGradient, sub, sum } from '../engine/ops/index.ts';
import type { LinearSite } from '../models/nn/index.ts';
import { linearPart, type Part } from './byRow/parts.ts';
import { defineMethod, type TrainedPart } from './definition.ts';
import {
  type LowRankSettings,
  loraPlusScale,
  lowRankFields,
  lowRankMethod,
  lowRankPaths,
  merged,
  product,
  productParts,
  rankAndScale,
  withoutScale,
} from './lora.ts';
import { targeting } from './targets.ts';

const settings = z.strictObject({ name: z.literal('dora'), ...lowRankFields }).meta({
  description: 'DoRA: as LoRA, with the length of each row of the weight trained on its own.',
  without: withoutScale,
});

export const dora = defineMethod({
  settings,
  learningRate: () => 5e-4,
  attach(given, { queryAndValue, norms }) {
    const places = targeting(given, queryAndValue, norms);
    return {
      name: 'dora',
      ...lowRankMethod(given, places),
      linear(site, next) {
        if (!places.isTarget(site)) return next();
        const { weight, bias } = site;
        // A given number, as in section 4.3 of the paper: B and A learn as if the norm stayed.
        const norm = stopGradient(rowNorms(add(weight, merged(given, site)))); // [out]
        const direct = bias ? sub(next(), bias) : next();
        const y = mul(add(direct, product(given, site)), div(magnitude(given, site), norm)); // [..., out]
        return bias ? add(y, bias) : y;
      },
      mergedWeight(site, weight) {
        if (!places.isTarget(site)) return weight;
        const moved = add(weight, merged(given, site)); // [out, in]
        return mul(moved, reshape(div(magnitude(given, site), rowNorms(moved)), [weight.shape[0]!, 1]));
      },
    };
  },
  byRow: (given, trained) => lowRankPaths(trained).flatMap((path) => scaledParts(given, trained, path)),
});

/** m/‖W + s·BA‖ is one vector once nothing learns any more: the outputs without bias are multiplied by it. */
function scaledParts(given: LowRankSettings, trained: TrainedPart, path: string): Part[] {
  const { bias } = trained.layer(path);
  const lengths = trained.take(`${path}.lora_magnitude_vector`);
  const norms = movedNorms(given, trained, path);
  const factor = Float32Array.from(lengths, (length, i) => length / norms[i]!); // [out]
  const own = bias();
  return [
    ...productParts(given, trained, { path, factor: (output) => factor[output]! }),
    [linearPart(path, 'factor'), factor],
    ...(own ? [[linearPart(path, 'offset'), factor.map((value, i) => own[i]! * (1 - value))] as const] : []),
  ];
}

/** ‖w‖ of each row w of W + s·BA. [out] */
function movedNorms(given: LowRankSettings, { take, layer }: TrainedPart, path: string): Float64Array {
  const { shape, weight } = layer(path);
  const [rows, columns] = shape;
  const [a, b, values] = [take(`${path}.lora_A.weight`), take(`${path}.lora_B.weight`), weight()];
  const { scale } = rankAndScale(given, path);
  const rank = a.length / columns;
  const moved = new Float64Array(columns);
  const norms = new Float64Array(rows);
  for (let row = 0; row < rows; row++) {
    moved.set(values.subarray(row * columns, (row + 1) * columns));
    for (let k = 0; k < rank; k++) {
      const by = scale * b[row * rank + k]!;
      for (let i = 0, at = k * columns; i < columns; i++, at++) moved[i]! += by * a[at]!;
    }
    norms[row] = Math.sqrt(moved.reduce((sum, value) => sum + value * value, 0));
  }
  return norms;
}

/** ‖w‖ of each row w. [out, in] → [out] */
const rowNorms = (weight: Tensor): Tensor => reshape(sqrt(sum(mul(weight, weight), [1])), [weight.shape[0]!]);

function magnitude(given: LowRankSettings, { weight, added }: LinearSite): Tensor {
  const [rows, width] = weight.shape as [number, number];
  const compute = (values: Float32Array): Float32Array =>
    Float32Array.from({ length: rows }, (_, row) => Math.hypot(...values.subarray(row * width, (row + 1) * width)));
  const options = { learningRateScale: loraPlusScale(given, [rows]) };
  return added('lora_magnitude_vector', [rows], { from: weight, compute }, options); // [out]
}
