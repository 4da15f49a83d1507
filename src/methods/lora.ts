/**
 * h = Wx + s·BAx with W frozen, A [r, in], B [out, r] and s = α/r (α/√r with rsLoRA)
 * (https://arxiv.org/abs/2106.09685, https://arxiv.org/abs/2312.03732). B starts at zero: step 0 is the base model.
 */
import { z } from 'zod';
import type { Tensor } from '../engine/graph/index.ts';
import { add, linear, matmul, mul } from '../engine/ops/index.ts';
import { AttuneError } from '../errors/index.ts';
import type { Built, LinearSite, Parameter } from '../models/nn/index.ts';
import { basePrecision } from './basePrecision.ts';
import { defineMethod } from './definition.ts';
import { patternValue } from './pattern.ts';
import { moduleOf, nothing, type Targeting, targetFields, targeting } from './targets.ts';

const perModule = z.record(z.string().min(1), z.number().positive());

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
      aliases: ['alpha', 'scale'],
    }),
  lora_dropout: z.number().min(0).lt(1).default(0).meta({
    description: 'Share of the inputs of the added matrices that is dropped while training.',
  }),
  ...targetFields,
  use_rslora: z.boolean().default(false).meta({ description: 'Scales by `lora_alpha / √r` instead.' }),
  rank_pattern: z.record(z.string().min(1), z.int().min(1)).default({}).meta({
    description: 'Other ranks for some modules: name or regular expression → rank.',
  }),
  alpha_pattern: perModule.default({}).meta({
    description: 'Other `lora_alpha` for some modules: name or regular expression → value.',
  }),
  bias: z.enum(['none', 'all', 'lora_only']).default('none').meta({
    description: 'Biases that are trained too: none, all of the model, or those of the layers with an addition.',
  }),
  loraplus_lr_ratio: z.number().positive().optional().meta({
    description: 'LoRA+: B learns with this multiple of the learning rate (https://arxiv.org/abs/2402.12354).',
    defaultText: '1',
  }),
  base_precision: basePrecision,
};

const settings = z
  .strictObject({ name: z.literal('lora'), ...lowRankFields })
  .meta({ description: 'LoRA: small low-rank matrices beside frozen linear layers are trained.' });

export type LoraSettings = z.output<typeof settings>;
export type LowRankSettings = Omit<LoraSettings, 'name'>;

export const lora = defineMethod({
  settings,
  learningRate: () => 5e-4,
  attach(given, { queryAndValue, norms }) {
    const places = targeting(given, queryAndValue, norms);
    return {
      name: 'lora',
      ...lowRankMethod(given, places),
      linear(site, next) {
        if (!places.isTarget(site)) return next();
        return add(next(), product(given, site)); // [..., out]
      },
      mergedWeight: (site, weight) => (places.isTarget(site) ? add(weight, merged(given, site)) : weight), // [out, in]
    };
  },
});

/** What is trained beside the added matrices, and how fast. */
export const lowRankMethod = (given: LowRankSettings, places: Targeting) => ({
  trains: (parameter: Pick<Parameter, 'name' | 'head'>): boolean =>
    places.isWhole(parameter) || isTrainedBias(given, parameter, places),
  // As PEFT groups them: B, and whatever has one dimension.
  learningRateScale: ({ shape }: { readonly shape: readonly number[] }): number =>
    shape.length < 2 ? (given.loraplus_lr_ratio ?? 1) : 1,
  validate: (built: Built): void => {
    places.refuseIdle(built);
    const targeted = built.linears.filter(places.isTarget);
    for (const map of ['rank_pattern', 'alpha_pattern'] as const) checkPattern(given[map], `method.${map}`, targeted);
  },
});

/** s·BAx [..., out] */
export function product(given: LowRankSettings, site: LinearSite): Tensor {
  const { a, b, scale } = lowRank(given, site);
  const dropped = site.dropout(site.x, given.lora_dropout);
  return linear(mul(linear(dropped, a), scale), b);
}

/** s·BA [out, in] */
export function merged(given: LowRankSettings, site: LinearSite): Tensor {
  const { a, b, scale } = lowRank(given, site);
  return matmul(b, a, { scale });
}

interface LowRank {
  /** [r, in] */
  readonly a: Tensor;
  /** [out, r] */
  readonly b: Tensor;
  readonly scale: number;
}

function lowRank(given: LowRankSettings, { path, added, weight }: LinearSite): LowRank {
  const [out, width] = weight.shape as [number, number];
  const rank = patternValue(given.rank_pattern, path) ?? given.r;
  const alpha = patternValue(given.alpha_pattern, path) ?? given.lora_alpha;
  // PyTorch's default for linear layers (He et al. with a = √5) comes to this bound.
  const a = added(
    'lora_A.weight',
    [rank, width],
    { uniform: { bound: 1 / Math.sqrt(width) } },
    { gradient: 'afterUpdate' },
  );
  const b = added('lora_B.weight', [out, rank], 'zeros', { learningRateScale: given.loraplus_lr_ratio ?? 1 });
  return { a, b, scale: alpha / (given.use_rslora ? Math.sqrt(rank) : rank) };
}

function isTrainedBias(
  { bias }: LowRankSettings,
  { name, head }: Pick<Parameter, 'name' | 'head'>,
  { isTarget }: Targeting,
): boolean {
  if (bias === 'none' || !name.endsWith('.bias')) return false;
  return bias === 'all' || isTarget({ path: moduleOf(name), head, vocabulary: false });
}

/** Of two keys that fit one layer PEFT takes the first, and sorts them when it saves: such a pair is refused. */
function checkPattern(map: Readonly<Record<string, number>>, where: string, targeted: Built['linears']): void {
  const keys = Object.keys(map);
  const fits = (key: string, path: string): boolean => patternValue({ [key]: 1 }, path) !== undefined;
  const paths = targeted.map(({ path }) => path);
  const idle = keys.find((key) => !paths.some((path) => fits(key, path)));
  if (idle !== undefined) throw nothing(where, idle, paths);
  for (const path of paths) {
    const [first, second] = keys.filter((key) => fits(key, path));
    if (second === undefined || map[first!] === map[second]) continue;
    const problem = `'${first}' and '${second}' both fit ${path}, with other values`;
    throw new AttuneError({ code: 'CONFIG_INVALID', where, problem, fix: 'make the keys exclude each other' });
  }
}
