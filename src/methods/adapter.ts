/**
 * Bottleneck adapters: a(h) = s·(U f(D h + d) + u) with D [m, D], U [D, m] and a reduction factor D/m, added where a
 * sublayer with output y ends, before y joins its residual x and the sum is normalised.
 * houlsby: y + a(y) after both sublayers (https://arxiv.org/abs/1902.00751).
 * pfeiffer: y + a(norm(y + x)) after the feed-forward alone (https://arxiv.org/abs/2005.00052).
 * parallel: y + a(x) beside the feed-forward (https://arxiv.org/abs/2110.04366).
 * U and u start at zero: step 0 is the base model.
 */
import { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import { add, linear, mul } from '../engine/ops/index.ts';
import { AttuneError } from '../errors/index.ts';
import { type ActivationName, activationNames, activations, type SublayerSite } from '../models/nn/index.ts';
import { basePrecision } from './basePrecision.ts';
import { bottleneckPart, type Part, turned } from './byRow/parts.ts';
import { defineMethod, layerDecay, type TrainedPart } from './definition.ts';
import { unfreezeSchedule } from './unfreezing.ts';

/** What the authors took, where the settings say nothing. */
const presets = {
  houlsby: { reduction: 16, activation: 'swish', scaling: 1 },
  pfeiffer: { reduction: 16, activation: 'relu', scaling: 1 },
  parallel: { reduction: 2, activation: 'relu', scaling: 4 },
} as const satisfies Record<string, { reduction: number; activation: ActivationName; scaling: number }>;
type Placement = keyof typeof presets;

const settings = z
  .strictObject({
    name: z.literal('adapter'),
    placement: z
      .enum(Object.keys(presets) as [Placement, ...Placement[]])
      .default('pfeiffer')
      .meta({
        description:
          'Where they stand: after both sublayers, after the feed-forward alone, or beside the feed-forward.',
        aliases: ['adapter_type', 'architecture'],
      }),
    reduction_factor: z
      .number()
      .positive()
      .optional()
      .meta({ description: 'How many times narrower than the model they are.', defaultText: '16, `parallel`: 2' }),
    non_linearity: z
      .enum(activationNames)
      .optional()
      .meta({ description: 'What stands in the middle.', defaultText: 'relu, `houlsby`: swish' }),
    scaling: z
      .number()
      .positive()
      .optional()
      .meta({ description: 'What they give is multiplied by this.', defaultText: '1, `parallel`: 4' }),
    base_precision: basePrecision,
    layer_lr_decay: layerDecay,
    unfreeze_schedule: unfreezeSchedule,
  })
  .meta({ description: 'Bottleneck adapters: small two-layer networks between frozen layers are trained.' });

export type AdapterSettings = z.output<typeof settings>;

/** The settings with nothing left open. */
export function bottleneckOf({ placement, reduction_factor, non_linearity, scaling }: AdapterSettings) {
  const { reduction, activation, scaling: usual } = presets[placement];
  return {
    placement,
    reductionFactor: reduction_factor ?? reduction,
    nonLinearity: non_linearity ?? activation,
    scaling: scaling ?? usual,
  };
}

export const adapter = defineMethod({
  settings,
  // What a parallel one reads is not normalised in models that normalise before a sublayer, and what it gives counts 4 times.
  learningRate: ({ placement }) => (placement === 'parallel' ? 2e-4 : 1e-3),
  attach(given) {
    const { placement } = given;
    return {
      name: 'adapter',
      trains: ({ head }) => head,
      validate({ parameters }) {
        if (parameters.some(({ added }) => added)) return;
        const problem = 'this model has no sublayers that adapters could stand at';
        throw new AttuneError({ code: 'CONFIG_INVALID', where: 'method.name', problem, fix: 'use lora' });
      },
      sublayerOutput(site, next) {
        if (placement !== 'houlsby' && site.sublayer === 'attention') return next();
        return next(add(site.y, bottleneck(given, site, reads[placement](site))));
      },
    };
  },
  byRow: (given, trained) =>
    trained.places('adapter_down.weight').flatMap((path) => bottleneckParts(given, trained, path)),
});

/** What each placement gives its adapter. */
const reads: Readonly<Record<Placement, (site: SublayerSite) => Tensor>> = {
  houlsby: ({ y }) => y,
  pfeiffer: ({ y, residual, norm }) => norm(add(y, residual)),
  parallel: ({ residual }) => residual,
};

/** Adapters that compute alike, whatever their widths. */
export interface BottleneckKind {
  readonly name: string;
  readonly reads: (site: SublayerSite) => Tensor;
  readonly activation: (x: Tensor) => Tensor;
}

const kindName = (placement: Placement, nonLinearity: ActivationName): string => `${placement} ${nonLinearity}`;

export const bottleneckKinds: readonly BottleneckKind[] = Object.entries(reads).flatMap(([placement, read]) =>
  activationNames.map((activation) => {
    return { name: kindName(placement as Placement, activation), reads: read, activation: activations[activation] };
  }),
);

function bottleneckParts(given: AdapterSettings, { take }: TrainedPart, path: string): Part[] {
  const { placement, nonLinearity, scaling } = bottleneckOf(given);
  const kind = kindName(placement, nonLinearity);
  const tensor = (name: string): Float32Array => take(`${path}.adapter_${name}`);
  const upBias = tensor('up.bias');
  return [
    [bottleneckPart(path, kind, 'down'), tensor('down.weight')],
    [bottleneckPart(path, kind, 'down_bias'), tensor('down.bias')],
    [bottleneckPart(path, kind, 'up'), turned(tensor('up.weight'), { rows: upBias.length, factor: () => scaling })],
    [bottleneckPart(path, kind, 'up_bias'), upBias.map((value) => scaling * value)],
  ];
}

/** s·(U f(D h + d) + u). h [B, T, D] */
function bottleneck(given: AdapterSettings, { added }: SublayerSite, h: Tensor): Tensor {
  const { reductionFactor, nonLinearity, scaling } = bottleneckOf(given);
  const width = h.shape.at(-1) as number;
  const narrow = Math.max(1, Math.floor(width / reductionFactor));
  // A ReLU over few values may be silent for all of a step: then its matrices rest, and the bias behind it moves on.
  const isSilent = nonLinearity === 'relu';
  const late = { gradient: isSilent ? 'unlessSilent' : 'afterUpdate' } as const;
  const down = added('adapter_down.weight', [narrow, width], { uniform: { bound: 1 / Math.sqrt(width) } }, late);
  const downBias = added('adapter_down.bias', [narrow], 'zeros', late);
  const up = added('adapter_up.weight', [width, narrow], 'zeros', { gradient: isSilent ? 'unlessSilent' : 'always' });
  const upBias = added('adapter_up.bias', [width], 'zeros');
  const middle = activations[nonLinearity](linear(h, down, downBias)); // [B, T, m]
  const y = linear(middle, up, upBias); // [B, T, D]
  return scaling === 1 ? y : mul(y, scaling);
}
