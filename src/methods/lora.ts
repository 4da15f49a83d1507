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
import { chooses, endsWithName, patternValue } from './pattern.ts';

const names = z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]);
const perModule = z.record(z.string().min(1), z.number().positive());
const takesNames = 'a list of names, or one regular expression over the whole path';

const settings = z
  .strictObject({
    name: z.literal('lora'),
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
    target_modules: names.optional().meta({
      description: 'Linear layers that get an addition: ends of their paths, a regular expression, or `all-linear`.',
      takes: takesNames,
      defaultText: "queries and values, under the model's names",
      aliases: ['lora_target', 'lora_target_modules', 'keys', 'lora_attn_modules'],
    }),
    exclude_modules: names.optional().meta({
      description: 'Layers that `target_modules` names but that get no addition.',
      takes: takesNames,
      defaultText: 'none',
    }),
    modules_to_save: z
      .array(z.string().min(1))
      .optional()
      .meta({
        description: "Modules that are trained whole and saved with the addition. The task's head always is.",
        defaultText: 'the head',
        aliases: ['lora_modules_to_save', 'additional_target'],
      }),
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
  })
  .meta({ description: 'LoRA: small low-rank matrices beside frozen linear layers are trained.' });

export type LoraSettings = z.output<typeof settings>;
type Targets = string | readonly string[];

export const lora = defineMethod({
  settings,
  learningRate: () => 5e-4,
  attach(given, { defaultTargets }) {
    const targets = given.target_modules ?? defaultTargets;
    const isTarget = (site: Layer): boolean => isTargeted(given, targets, site);
    return {
      name: 'lora',
      trains: (parameter) => parameter.head || isSaved(given, parameter) || isTrainedBias(given, parameter, isTarget),
      // As PEFT groups them: B, and whatever has one dimension.
      learningRateScale: ({ shape }) => (shape.length < 2 ? (given.loraplus_lr_ratio ?? 1) : 1),
      validate: (built) => refuseIdle(given, targets, built),
      linear(site, next) {
        if (!isTarget(site)) return next();
        const { a, b, scale } = lowRank(given, site);
        const dropped = site.dropout(site.x, given.lora_dropout);
        const narrow = mul(linear(dropped, a), scale); // [..., r]
        return add(next(), linear(narrow, b)); // [..., out]
      },
      mergedWeight(site, weight) {
        if (!isTarget(site)) return weight;
        const { a, b, scale } = lowRank(given, site);
        return add(weight, matmul(b, a, { scale })); // [out, in]
      },
    };
  },
});

interface LowRank {
  /** [r, in] */
  readonly a: Tensor;
  /** [out, r] */
  readonly b: Tensor;
  readonly scale: number;
}

function lowRank(given: LoraSettings, { path, added, weight }: LinearSite): LowRank {
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

const ALL_LINEAR = 'all-linear';

type Layer = Built['linears'][number];

function isTargeted(given: LoraSettings, targets: Targets, site: Layer) {
  if (site.head || isSaved(given, { name: `${site.path}.weight` })) return false;
  if (given.exclude_modules !== undefined && chooses(given.exclude_modules, site.path)) return false;
  return targets === ALL_LINEAR ? !site.vocabulary : chooses(targets, site.path);
}

const moduleOf = (name: string): string => name.slice(0, name.lastIndexOf('.'));

function isSaved({ modules_to_save: saved }: LoraSettings, { name }: Pick<Parameter, 'name'>): boolean {
  const parents = name.split('.').map((_, i, all) => all.slice(0, i).join('.'));
  return saved?.some((module) => parents.some((parent) => parent !== '' && endsWithName(parent, module))) ?? false;
}

function isTrainedBias(
  { bias }: LoraSettings,
  { name, head }: Pick<Parameter, 'name' | 'head'>,
  isTarget: (site: Layer) => boolean,
): boolean {
  if (bias === 'none' || !name.endsWith('.bias')) return false;
  return bias === 'all' || isTarget({ path: moduleOf(name), head, vocabulary: false });
}

/** Names that match nothing are mistakes: the run would train less than was asked for, or nothing. */
function refuseIdle(given: LoraSettings, targets: Targets, { linears, parameters }: Built): void {
  const paths = linears.filter(({ head }) => !head).map(({ path }) => path);
  const modules = parameters.map(({ name }) => moduleOf(name));
  const wanted = typeof targets === 'string' ? [targets] : targets;
  const fits = (name: string): boolean =>
    name === ALL_LINEAR || paths.some((path) => chooses(typeof targets === 'string' ? name : [name], path));
  const idle = wanted.find((name) => !fits(name));
  if (idle !== undefined) throw nothing('method.target_modules', idle, paths);
  const unsaved = given.modules_to_save?.find(
    (module) => !parameters.some((p) => isSaved({ ...given, modules_to_save: [module] }, p)),
  );
  if (unsaved !== undefined) throw nothing('method.modules_to_save', unsaved, modules);
  const targeted = linears.filter((site) => isTargeted(given, targets, site));
  if (targeted.length === 0) throw nothing('method.exclude_modules', 'it leaves no layer', paths);
  for (const map of ['rank_pattern', 'alpha_pattern'] as const) checkPattern(given[map], `method.${map}`, targeted);
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

function nothing(where: string, name: string, paths: readonly string[]): AttuneError {
  const shown = [...new Set(paths.map((path) => path.replace(/\.\d+\./g, '.N.')))];
  return new AttuneError({
    code: 'CONFIG_INVALID',
    where,
    problem: `'${name}' matches nothing`,
    fix: `there is: ${shown.join(', ')} (the end of a path is enough)`,
  });
}
