/** AdamW (https://arxiv.org/abs/1711.05101): decay is decoupled from the gradient, and vectors are not decayed. */
import type { ParameterMemory, Shard } from './parameterMemory.ts';

export interface AdamWSettings {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

export interface Update {
  /** 1 for the first update. */
  readonly step: number;
  readonly learningRate: number;
  /** What the summed gradients are multiplied by: 1 / count, and less where they are clipped. */
  readonly gradientScale: number;
  /** Where the gradients are: of one batch, or summed over several. */
  readonly from: 'gradient' | 'total';
}

/** Writes weights and moments in place. */
export function updateParameters({ shards }: ParameterMemory, settings: AdamWSettings, update: Update): void {
  for (const shard of shards) {
    for (const run of runsOf(shard)) updateRun(shard, run, settings, update);
  }
}

interface Run {
  readonly start: number;
  readonly count: number;
  readonly decayed: boolean;
  readonly learningRateScale: number;
}

/** Neighbouring parameters that are treated alike, as one stretch. Vectors (biases, norms) are not decayed. */
function runsOf({ slots, floats }: Shard): Run[] {
  const runs: Run[] = [];
  slots.forEach(({ parameter: { shape, learningRateScale }, start }, i) => {
    const count = (slots[i + 1]?.start ?? floats) - start;
    const decayed = shape.length > 1;
    const last = runs.at(-1);
    if (last?.decayed === decayed && last.learningRateScale === learningRateScale) {
      runs[runs.length - 1] = { ...last, count: last.count + count };
    } else runs.push({ start, count, decayed, learningRateScale });
  });
  return runs;
}

function updateRun(shard: Shard, run: Run, settings: AdamWSettings, update: Update): void {
  const { start, count, decayed, learningRateScale } = run;
  const { beta1, beta2, epsilon, weightDecay } = settings;
  const { step, gradientScale, from } = update;
  const learningRate = update.learningRate * learningRateScale;
  shard.kernels.adamW({
    weight: shard.addressOf('weight', start),
    gradient: shard.addressOf(from, start),
    mean: shard.addressOf('mean', start),
    square: shard.addressOf('square', start),
    count,
    beta1,
    beta2,
    epsilon,
    gradientScale,
    decay: 1 - (decayed ? learningRate * weightDecay : 0),
    stepSize: learningRate / (1 - beta1 ** step),
    inverseSquareCorrection: 1 / Math.sqrt(1 - beta2 ** step),
  });
}

/** ‖g‖ over all trained parameters, of the gradients as they are summed. */
export function gradientNorm({ shards }: ParameterMemory, from: Update['from']): number {
  const squares = shards.map((shard) => shard.kernels.sumOfSquares(shard.addressOf(from), shard.floats));
  return Math.sqrt(squares.reduce((a, b) => a + b, 0));
}

/** Adds the gradients of the last batch to the total, or makes them the total where they are the first. */
export function accumulateGradients({ shards }: ParameterMemory, first: boolean): void {
  for (const { kernels, addressOf, floats } of shards) {
    if (first) new Float32Array(kernels.memory.buffer, addressOf('total'), floats).fill(0);
    kernels.accumulate(addressOf('total'), addressOf('gradient'), floats);
  }
}
