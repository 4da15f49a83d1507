/**
 * h = Wx + s·B(E ⊙ Ax) with W frozen, A [r, in], B [out, r], E [r, 1] and s = α/(r + 10⁻⁵): A and B are kept near orthogonal
 * matrices by a penalty, and ranks that matter little are given up while it learns (https://arxiv.org/abs/2303.10512, with
 * PEFT's scale). E starts at zero: step 0 is the base model.
 */
import { z } from 'zod';
import { constant, type Tensor } from '../../engine/graph/index.ts';
import { add, linear, matmul, mul, reshape, sqrt, sub, sumAll } from '../../engine/ops/index.ts';
import { AttuneError } from '../../errors/index.ts';
import type { Built, DeclaredParameter, LinearSite } from '../../models/nn/index.ts';
import { basePrecision } from '../basePrecision.ts';
import { defineMethod, layerDecay, type RunLength } from '../definition.ts';
import { isTrainedBias, lowRankFields } from '../lora.ts';
import { nothing, targetFields, targeting } from '../targets.ts';
import { tyingField } from '../tying.ts';
import { unfreezeSchedule } from '../unfreezing.ts';
import { giveUpRanks, partsOf, type RankedLayer, type RankSchedule } from './ranks.ts';

const steps = z.int().min(0);
const share = z.number().gt(0).lt(1).default(0.85);

const settings = z
  .strictObject({
    name: z.literal('adalora'),
    init_r: z.int().min(1).default(12).meta({ description: 'Rank of every layer at first.' }),
    target_r: z.int().min(1).default(8).meta({ description: 'Mean rank of a layer that is left at the end.' }),
    tinit: steps.optional().meta({
      description: 'Steps before ranks are given up.',
      unit: 'steps',
      defaultText: 'a tenth of all',
    }),
    tfinal: steps.optional().meta({
      description: 'Steps at the end in which the ranks that are left go on learning.',
      unit: 'steps',
      defaultText: 'four tenths of all',
    }),
    deltaT: z.int().min(1).default(1).meta({
      description: 'Between two choices of ranks. Those that were given up may come back until the last one.',
      unit: 'steps',
    }),
    total_step: z.int().min(1).optional().meta({
      description: 'Steps that `tinit` and `tfinal` are counted in.',
      unit: 'steps',
      defaultText: 'those of the run',
    }),
    beta1: share.meta({ description: 'How much of the importance of an entry is kept from step to step.' }),
    beta2: share.meta({ description: 'The same of how much it varies.' }),
    orth_reg_weight: z.number().min(0).default(0.5).meta({
      description: 'Weight of the penalty on matrices that are not orthogonal, which is added to the mean loss.',
    }),
    lora_alpha: lowRankFields.lora_alpha.meta({ description: 'The addition is scaled by `lora_alpha / init_r`.' }),
    lora_dropout: lowRankFields.lora_dropout,
    ...targetFields,
    ...tyingField,
    bias: lowRankFields.bias,
    rank_pattern: z.record(z.string().min(1), z.array(z.boolean())).optional().meta({
      description:
        'Ranks that an adapter of PEFT has left: `PATH.lora_E` → a list of true and false. Then no more are given up.',
      takes: 'a mapping from names to lists of true and false',
      defaultText: 'all of them',
    }),
    base_precision: basePrecision,
    layer_lr_decay: layerDecay,
    unfreeze_schedule: unfreezeSchedule,
  })
  .meta({ description: 'AdaLoRA: as LoRA, with ranks that move to the layers where they matter.' });

export type AdaLoraSettings = z.output<typeof settings>;

export const adalora = defineMethod({
  settings,
  // Three small factors move slowly: docs/log.md.
  learningRate: () => 1e-2,
  settled,
  attach(given, { queryAndValue, norms }) {
    const places = targeting(given, queryAndValue, norms);
    const changes = (site: LinearSite): boolean => places.isTarget(site) && rankOf(given, site.path) > 0;
    const layersOf = ({ linears }: Built): RankedLayer[] =>
      linears.filter(places.isTarget).map(({ path, shape }) => ({ path, shape, rank: given.init_r }));
    return {
      name: 'adalora',
      trains: (parameter) => places.isWhole(parameter) || isTrainedBias(given, parameter, places),
      validate(built) {
        places.refuseIdle(built);
        refuseIdlePattern(given, layersOf(built));
        refuseEarly(given, built);
      },
      linear(site, next) {
        if (!changes(site)) return next();
        const { a, b, e } = factors(given, site);
        const inner = linear(site.dropout(site.x, given.lora_dropout), a); // [..., r]
        return add(next(), linear(mul(mul(inner, reshape(e, [a.shape[0]!])), scaleOf(given)), b)); // [..., out]
      },
      mergedWeight(site, weight) {
        if (!changes(site)) return weight;
        const { a, b, e } = factors(given, site);
        return add(weight, matmul(b, mul(a, e), { scale: scaleOf(given) })); // [out, in]
      },
      penalty: (parameters, built) => orthogonality(given, parameters, layersOf(built)),
      afterUpdate: (built) => (given.rank_pattern ? undefined : giveUpRanks(layersOf(built), scheduleOf(given))),
    };
  },
});

/** PEFT's: ε keeps its products from being divided by zero, and is in all of them. */
const scaleOf = ({ lora_alpha: alpha, init_r: rank }: AdaLoraSettings): number => alpha / (rank + 1e-5);

function rankOf({ rank_pattern: pattern, init_r: rank }: AdaLoraSettings, path: string): number {
  return pattern?.[partsOf(path).e]?.filter(Boolean).length ?? rank;
}

interface Factors {
  /** [r, in] */
  readonly a: Tensor;
  /** [out, r] */
  readonly b: Tensor;
  /** [r, 1] */
  readonly e: Tensor;
}

function factors(given: AdaLoraSettings, { path, weight, added }: LinearSite): Factors {
  const [out, width] = weight.shape as [number, number];
  const rank = rankOf(given, path);
  const start = { normal: { standardDeviation: 0.02 } };
  // Behind an E of zeros only the penalty moves them, and a layer may have lost every rank by the second step.
  const options = { gradient: given.orth_reg_weight > 0 ? 'always' : 'never' } as const;
  return {
    a: added('lora_A', [rank, width], start, options),
    b: added('lora_B', [out, rank], start, options),
    e: added('lora_E', [rank, 1], 'zeros'),
  };
}

/** The mean of ‖A·Aᵀ − 1‖ and ‖Bᵀ·B − 1‖ over all layers, with those that have no rank left, times its weight. */
function orthogonality(
  { orth_reg_weight: weight }: AdaLoraSettings,
  parameters: readonly DeclaredParameter[],
  layers: readonly RankedLayer[],
): Tensor | undefined {
  if (weight === 0) return undefined;
  const tensors = new Map(parameters.map(({ parameter: { name }, tensor }) => [name, tensor]));
  const distances = layers.flatMap(({ path }) => {
    const [a, b] = [tensors.get(partsOf(path).a), tensors.get(partsOf(path).b)];
    return a && b ? [distance(matmul(a, a, { transB: true })), distance(matmul(b, b, { transA: true }))] : [];
  });
  const [first, ...others] = distances;
  return first && mul(others.reduce(add, first), weight / (2 * layers.length));
}

/** ‖M − 1‖, Frobenius' norm. M [r, r] */
function distance(matrix: Tensor): Tensor {
  const size = matrix.shape[0] as number;
  const identity = Array.from({ length: size * size }, (_, i) => Number(i % (size + 1) === 0));
  const difference = sub(matrix, reshape(constant(identity), [size, size]));
  return sqrt(sumAll(mul(difference, difference)));
}

/** The schedule in steps, once it is known how many a run takes. */
function settled(given: AdaLoraSettings, { totalSteps }: Pick<RunLength, 'totalSteps'>): AdaLoraSettings {
  const { target_r: target, init_r: initial, total_step: total = totalSteps } = given;
  const { tinit = Math.floor(total / 10), tfinal = Math.floor((total * 4) / 10) } = given;
  if (target > initial) throw invalid('target_r', `it is ${target}, and init_r only ${initial}`, 'raise init_r');
  if (tinit >= total - tfinal) {
    const problem = `of ${total} steps ${tinit} + ${tfinal} leave none in which ranks are given up`;
    throw invalid('tinit', problem, 'lower tinit or tfinal, or train for more steps');
  }
  if (total - tfinal > totalSteps) {
    const problem = `ranks are given up until step ${total - tfinal}, and the run ends after ${totalSteps}`;
    throw invalid('total_step', problem, 'remove total_step: then it is that of the run');
  }
  return { ...given, tinit, tfinal, total_step: total };
}

function scheduleOf(given: AdaLoraSettings): RankSchedule | undefined {
  const { target_r: targetRank, deltaT: every, beta1, beta2, tinit, tfinal, total_step: total } = given;
  if (tinit === undefined || tfinal === undefined || total === undefined) return undefined;
  return { targetRank, firstStep: tinit, lastStep: total - tfinal, every, beta1, beta2 };
}

function refuseIdlePattern(
  { rank_pattern: pattern = {}, init_r }: AdaLoraSettings,
  layers: readonly RankedLayer[],
): void {
  const paths = layers.map(({ path }) => path);
  const idle = Object.keys(pattern).find((key) => !paths.some((path) => partsOf(path).e === key));
  if (idle !== undefined)
    throw nothing(
      'method.rank_pattern',
      idle,
      paths.map((path) => partsOf(path).e),
    );
  const [key, flags] = Object.entries(pattern).find(([, list]) => list.length !== init_r) ?? [];
  if (key === undefined) return;
  throw invalid('rank_pattern', `'${key}' has ${flags!.length} entries, init_r is ${init_r}`, 'give as many');
}

/** A layer that rests has no importance: it would give up its ranks before it had a chance. */
function refuseEarly({ tinit = 0 }: AdaLoraSettings, { parameters }: Built): void {
  const late = Math.max(0, ...parameters.map(({ opensAfter }) => opensAfter));
  if (late <= tinit) return;
  const problem = `the last layer opens after step ${late}, and ranks are given up from step ${tinit} on`;
  throw invalid('unfreeze_schedule', problem, 'raise tinit, or open all layers before');
}

const invalid = (key: string, problem: string, fix: string): AttuneError =>
  new AttuneError({ code: 'CONFIG_INVALID', where: `method.${key}`, problem, fix });
