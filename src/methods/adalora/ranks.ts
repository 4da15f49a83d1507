/**
 * How AdaLoRA gives up ranks (https://arxiv.org/abs/2303.10512, section 3). The importance of an entry w with the gradient g
 * is I = |w·g|, smoothed to S, times how much it varies, U; that of a rank is the one of its E and the means of its row of
 * A and its column of B. From step to step fewer ranks have a budget, over all layers together: E of the others is 0.
 */
import type { AfterUpdate, UpdateMade } from '../../models/nn/index.ts';

/** A layer with ranks to give up. */
export interface RankedLayer {
  readonly path: string;
  readonly rank: number;
  /** [out, in] of its weight. */
  readonly shape: readonly [number, number];
}

export interface RankSchedule {
  /** The mean rank of a layer that is left at the end. */
  readonly targetRank: number;
  /** Up to this step every rank stays. */
  readonly firstStep: number;
  /** From this step on nothing changes any more. */
  readonly lastStep: number;
  /** Steps between two choices. */
  readonly every: number;
  /** How much of S, and of U, is kept from step to step. */
  readonly beta1: number;
  readonly beta2: number;
}

/** What training adds to a layer, by the ends of the names that PEFT gives them. */
export const partsOf = (path: string) => ({ a: `${path}.lora_A`, b: `${path}.lora_B`, e: `${path}.lora_E` });

const sensitivity = (name: string): string => `sensitivity.${name}`;
const uncertainty = (name: string): string => `uncertainty.${name}`;

/** `schedule`: undefined where nobody has said how long the run is, as where a saved adapter only answers. */
export function giveUpRanks(layers: readonly RankedLayer[], schedule: RankSchedule | undefined): AfterUpdate {
  return {
    remembers: layers.flatMap(rememberedOf),
    run(update) {
      if (!schedule) throw new Error('internal: ranks cannot be given up without a schedule');
      const { step } = update;
      // From then on importances stand still: the choice is the same at every step.
      const isOver = step >= schedule.lastStep;
      if (!isOver) for (const layer of layers) noteImportance(layer, update, schedule);
      const isDue = step > schedule.firstStep && step % schedule.every === 0;
      if (isOver || isDue) choose(layers, update, budgetAt(Math.min(step, schedule.lastStep), layers, schedule));
    },
  };
}

function rememberedOf({ path, rank, shape: [out, width] }: RankedLayer): AfterUpdate['remembers'] {
  const { a, b, e } = partsOf(path);
  const shapes = { [a]: [rank, width], [b]: [out, rank], [e]: [rank, 1] };
  return Object.entries(shapes).flatMap(([name, shape]) => [
    { name: sensitivity(name), shape },
    { name: uncertainty(name), shape },
  ]);
}

/** Ranks that a step leaves over all layers: from those at first to those at the end along a cubic curve. */
function budgetAt(step: number, layers: readonly RankedLayer[], schedule: RankSchedule): number {
  const { firstStep, lastStep, targetRank } = schedule;
  const [initial, target] = [layers.reduce((sum, { rank }) => sum + rank, 0), targetRank * layers.length];
  const left = 1 - (step - firstStep) / (lastStep - firstStep);
  return Math.trunc((initial - target) * left ** 3 + target);
}

/** S ← β₁S + (1 − β₁)I and U ← β₂U + (1 − β₂)|I − S| of every entry of a layer. */
function noteImportance({ path }: RankedLayer, update: UpdateMade, { beta1, beta2 }: RankSchedule): void {
  for (const name of Object.values(partsOf(path))) {
    const [weight, gradient] = [update.weightOf(name), update.gradientOf(name)];
    const [s, u] = [update.remembered(sensitivity(name)), update.remembered(uncertainty(name))];
    for (let i = 0; i < weight.length; i++) {
      const importance = Math.abs(weight[i]! * gradient[i]! * update.gradientScale);
      s[i] = beta1 * s[i]! + (1 - beta1) * importance;
      u[i] = beta2 * u[i]! + (1 - beta2) * Math.abs(importance - s[i]!);
    }
  }
}

/** E of the least important ranks becomes 0, so that the budget is left. */
function choose(layers: readonly RankedLayer[], update: UpdateMade, budget: number): void {
  const scores = layers.map((layer) => scoresOf(layer, update));
  const sorted = Float64Array.from(scores.flatMap((own) => [...own])).sort();
  // Nothing is known of them in a run of one step.
  if (sorted.at(-1) === 0) return;
  const threshold = sorted[sorted.length - budget - 1] ?? Number.NEGATIVE_INFINITY;
  layers.forEach(({ path }, i) => {
    const e = update.weightOf(partsOf(path).e);
    scores[i]!.forEach((score, k) => {
      if (score <= threshold) e[k] = 0;
    });
  });
}

/** The importance of each rank of a layer. [r] */
function scoresOf({ path, rank, shape: [out, width] }: RankedLayer, update: UpdateMade): Float64Array {
  const { a, b, e } = partsOf(path);
  const product = (name: string) => {
    const [s, u] = [update.remembered(sensitivity(name)), update.remembered(uncertainty(name))];
    return (i: number): number => s[i]! * u[i]!;
  };
  const [ofA, ofB, ofE] = [product(a), product(b), product(e)];
  return Float64Array.from({ length: rank }, (_, k) => {
    let [row, column] = [0, 0];
    for (let i = 0; i < width; i++) row += ofA(k * width + i);
    for (let i = 0; i < out; i++) column += ofB(i * rank + k);
    return ofE(k) + row / width + column / out;
  });
}
