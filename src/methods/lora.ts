/**
 * h = Wx + s·BAx with W frozen, A [r, in], B [out, r] and s = α/r (α/√r with rsLoRA)
 * (https://arxiv.org/abs/2106.09685, https://arxiv.org/abs/2312.03732). B starts at zero, or both at directions
 * of W (PiSSA, OLoRA) and what they give then is subtracted: step 0 is the base model. With LoftQ's start, over a base that is
 * rounded, it is nearer to the exact base.
 */
import { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import { add, concat, gather, linear, matmul, mul, neg, sub, transpose } from '../engine/ops/index.ts';
import type { Built, LinearSite, Parameter, TokensSite } from '../models/nn/index.ts';
import { basePrecision } from './basePrecision.ts';
import { linearPart, type Part, turned } from './byRow/parts.ts';
import { defineMethod, layerDecay, type TrainedPart } from './definition.ts';
import { refuseIdle, refuseIdleLoftQ, refuseWideRank } from './loraChecks.ts';
import { patternValue } from './pattern.ts';
import { loftqStarts, loraInits, startsInWeight, startsOf } from './starts/loraInit.ts';
import { moduleOf, type Targeting, targetFields, targeting } from './targets.ts';
import { tyingField } from './tying.ts';
import { unfreezeSchedule } from './unfreezing.ts';

const perModule = z.record(z.string().min(1), z.number().positive());

/** MLX-LM's key is no other name of `lora_alpha`: its 20 would be a scale of 2.5. */
export const withoutScale = {
  scale: "give lora_alpha, r times as much: MLX-LM's scale is lora_alpha / r",
};

/** Keys of every method that adds a product of two narrow matrices. */
export const lowRankFields = {
  r: z
    .int()
    .min(1)
    .default(8)
    .meta({ description: 'Rank of the added matrices.', aliases: ['lora_rank', 'rank', 'lora_r', 'loraRank'] }),
  lora_alpha: z
    .number()
    .positive()
    .default(16)
    .meta({
      description: 'The addition is scaled by `lora_alpha / r`.',
      aliases: ['alpha'],
    }),
  lora_dropout: z.number().min(0).lt(1).default(0).meta({
    description: 'Share of the inputs of the added matrices that is dropped while training.',
  }),
  ...targetFields,
  ...tyingField,
  use_rslora: z.boolean().default(false).meta({ description: 'Scales by `lora_alpha / √r` instead.' }),
  rank_pattern: z.record(z.string().min(1), z.int().min(1)).default({}).meta({
    description: 'Other ranks for some modules: name or regular expression → rank.',
    takes: 'a mapping from names or regular expressions to whole numbers of at least 1',
  }),
  alpha_pattern: perModule.default({}).meta({
    description: 'Other `lora_alpha` for some modules: name or regular expression → value.',
    takes: 'a mapping from names or regular expressions to numbers above 0',
  }),
  bias: z.enum(['none', 'all', 'lora_only']).default('none').meta({
    description: 'Biases that are trained too: none, all of the model, or those of the layers with an addition.',
  }),
  loraplus_lr_ratio: z
    .number()
    .positive()
    .optional()
    .meta({
      description:
        'LoRA+: B learns with this multiple of the learning rate (https://arxiv.org/abs/2402.12354). As in PEFT, whatever has one ' +
        "dimension does so too: biases, the head's among them, norms, lengths of DoRA's rows.",
      defaultText: '1',
    }),
  base_precision: basePrecision,
  layer_lr_decay: layerDecay,
  unfreeze_schedule: unfreezeSchedule,
};

const settings = z
  .strictObject({
    name: z.literal('lora'),
    ...lowRankFields,
    init: z
      .enum(loraInits)
      .default('default')
      .meta({
        description:
          'What the matrices start from: random numbers (`gaussian`: normal ones); the largest (`pissa`) or first ' +
          '(`olora`) directions of the weight, which are saved as a plain LoRA of twice the rank; or what a base in 8 or 4 ' +
          'bits lost when it was rounded (`loftq`).',
        aliases: ['init_lora_weights', 'pissa_init'],
      }),
    loftq_iter: z
      .int()
      .min(1)
      .optional()
      .meta({
        description:
          'Of `init: loftq`: how often the weight is rounded, each time without what the matrices make up for.',
        defaultText: '1',
        aliases: ['loftq_config', 'num_iter'],
      }),
  })
  .meta({
    description: 'LoRA: small low-rank matrices beside frozen linear layers are trained.',
    without: withoutScale,
  });

export type LoraSettings = z.output<typeof settings>;
export type LowRankSettings = Omit<LoraSettings, 'name' | 'init' | 'loftq_iter'> &
  Partial<Pick<LoraSettings, 'init' | 'loftq_iter'>>;

export const lora = defineMethod({
  settings,
  learningRate: () => 5e-4,
  baseChange(given) {
    if (given.init !== 'loftq') return undefined;
    const { loftq_iter = 1, base_precision, lora_alpha, alpha_pattern, use_rslora } = given;
    const rounding = { init: 'loftq', loftq_iter, base_precision, lora_alpha, alpha_pattern, use_rslora };
    return JSON.stringify(rounding).replaceAll(/[{}"]/g, '');
  },
  attach(given, { queryAndValue, norms, run }) {
    const places = targeting(given, queryAndValue, norms);
    return {
      name: 'lora',
      ...lowRankMethod(given, places),
      linear(site, next) {
        if (!places.isTarget(site)) return next();
        return add(next(), product(given, site)); // [..., out]
      },
      tokens(site, next) {
        if (!places.isTable(site.path)) return next();
        const { a, b, scale } = tableFactors(given, site);
        const narrow = mul(gather(transpose(a, [1, 0]), site.inputIds), scale * site.scale); // [B, T, r]
        return add(next(), linear(narrow, b)); // [B, T, D]
      },
      mergedWeight: (site, weight) => (places.isTarget(site) ? add(weight, merged(given, site)) : weight), // [out, in]
      mergedTable(site, table) {
        if (!places.isTable(site.path)) return table;
        const { a, b, scale } = tableFactors(given, site);
        return add(table, matmul(a, b, { transA: true, transB: true, scale })); // [rows, D]
      },
      validate(built) {
        refuseIdle(given, places, built, 'linear and embeddings');
        refuseIdleLoftQ(given, places, built);
        // A saved adapter does not start again.
        if (run) refuseWideRank(given, built, places);
      },
    };
  },
  byRow: (given, trained) =>
    lowRankPaths(trained).flatMap((path) => productParts(given, trained, { path, factor: () => 1 })),
});

/** What is trained beside the added matrices, and how fast. */
export const lowRankMethod = (given: LowRankSettings, places: Targeting) => ({
  trains: (parameter: Pick<Parameter, 'name' | 'head'>): boolean =>
    places.isWhole(parameter) || isTrainedBias(given, parameter, places),
  learningRateScale: ({ shape }: { readonly shape: readonly number[] }): number => loraPlusScale(given, shape),
  validate: (built: Built): void => refuseIdle(given, places, built, 'linear'),
});

/** What LoRA+ gives beside B, as PEFT groups it: whatever has one dimension. */
export const loraPlusScale = (given: LowRankSettings, shape: readonly number[]): number =>
  shape.length < 2 ? (given.loraplus_lr_ratio ?? 1) : 1;

/** s·BAx, less what the start of B·A gives where it was taken from W. [..., out] */
export function product(given: LowRankSettings, site: LinearSite): Tensor {
  const { a, b, scale, start } = lowRank(given, site);
  const dropped = site.dropout(site.x, given.lora_dropout);
  const y = linear(mul(linear(dropped, a), scale), b);
  // W keeps what the authors take out of it, so all of x passes there and here.
  return start ? sub(y, linear(mul(linear(site.x, start.a), scale), start.b)) : y;
}

/** s·BA, less its start where that was taken from W. [out, in] */
export function merged(given: LowRankSettings, site: LinearSite): Tensor {
  const { a, b, scale, start } = lowRank(given, site);
  const delta = matmul(b, a, { scale });
  return start ? sub(delta, matmul(start.b, start.a, { scale })) : delta;
}

/** The settings of a plain LoRA with the same product, for programs that know no such start. */
export function plainSettings(given: LoraSettings): LoraSettings {
  if (!startsInWeight(given.init)) return given;
  const factor = given.use_rslora ? Math.SQRT2 : 2;
  const times = (map: Readonly<Record<string, number>>, by: number) =>
    Object.fromEntries(Object.entries(map).map(([key, value]) => [key, value * by]));
  return {
    ...given,
    init: 'default',
    r: 2 * given.r,
    lora_alpha: factor * given.lora_alpha,
    // An alpha of its own stays beside a rank of its own: each is doubled where it is named, as the common ones are.
    rank_pattern: times(given.rank_pattern, 2),
    alpha_pattern: times(given.alpha_pattern, factor),
  };
}

export const lowRankPaths = ({ places }: TrainedPart): readonly string[] => places('lora_A.weight');

interface RowProduct {
  readonly path: string;
  /** What each output of the product is multiplied by. */
  readonly factor: (output: number) => number;
}

export function productParts(given: LowRankSettings, trained: TrainedPart, { path, factor }: RowProduct): Part[] {
  const { scale } = rankAndScale(given, path);
  const b = trained.take(`${path}.lora_B.weight`);
  const rows = trained.layer(path).shape[0];
  return [
    [linearPart(path, 'a'), trained.take(`${path}.lora_A.weight`)],
    [linearPart(path, 'b'), turned(b, { rows, factor: (output) => scale * factor(output) })],
  ];
}

/** Of the embeddings: A [r, rows] starts at zero and is read by columns, B [D, r]. */
function tableFactors(given: LowRankSettings, { path, added, table }: TokensSite): LowRank {
  const [rows, width] = table.shape as [number, number];
  const { rank, scale } = rankAndScale(given, path);
  const late = { gradient: 'afterUpdate' } as const;
  const a = added('lora_embedding_A', [rank, rows], 'zeros');
  const b = added('lora_embedding_B', [width, rank], { normal: { standardDeviation: 1 } }, late);
  return { a, b, scale };
}

export function rankAndScale(given: LowRankSettings, path: string): { readonly rank: number; readonly scale: number } {
  const rank = patternValue(given.rank_pattern, path) ?? given.r;
  const alpha = patternValue(given.alpha_pattern, path) ?? given.lora_alpha;
  return { rank, scale: alpha / (given.use_rslora ? Math.sqrt(rank) : rank) };
}

interface LowRank {
  /** [r, in] */
  readonly a: Tensor;
  /** [out, r] */
  readonly b: Tensor;
  readonly scale: number;
  /** What the two started from, where W still has it. */
  readonly start?: { readonly a: Tensor; readonly b: Tensor };
}

function lowRank(given: LowRankSettings, site: LinearSite): LowRank {
  const { path, added, weight } = site;
  const [out, width] = weight.shape as [number, number];
  const { rank, scale } = rankAndScale(given, path);
  const { init = 'default', loftq_iter: rounds = 1, base_precision: precision } = given;
  const narrow = { rank, scale };
  const loftq = init === 'loftq' ? loftqStarts(site, { ...narrow, precision, rounds }) : undefined;
  const from = loftq ?? startsOf(init, site, narrow);
  const late = startsInWeight(init) || loftq ? {} : ({ gradient: 'afterUpdate' } as const);
  const a = added('lora_A.weight', [rank, width], from.a, late);
  const b = added('lora_B.weight', [out, rank], from.b, { learningRateScale: given.loraplus_lr_ratio ?? 1 });
  if (!startsInWeight(init)) return { a, b, scale };
  const fixed = { trainable: false };
  const start = {
    a: added('lora_A_start.weight', [rank, width], from.a, fixed),
    b: added('lora_B_start.weight', [out, rank], from.b, fixed),
  };
  site.exported(`${path}.lora_A.weight`, concat([a, start.a], 0)); // [2r, in]
  site.exported(`${path}.lora_B.weight`, concat([b, neg(start.b)], 1)); // [out, 2r]
  return { a, b, scale, start };
}

export function isTrainedBias(
  { bias }: Pick<LowRankSettings, 'bias'>,
  { name, head }: Pick<Parameter, 'name' | 'head'>,
  { isTarget }: Targeting,
): boolean {
  if (bias === 'none' || !name.endsWith('.bias')) return false;
  return bias === 'all' || isTarget({ path: moduleOf(name), head, vocabulary: false });
}
