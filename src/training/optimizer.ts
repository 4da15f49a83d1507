/** AdamW (https://arxiv.org/abs/1711.05101): decay is decoupled from the gradient, and vectors are not decayed. */
import type { ParameterMemory, Shard, Slot } from './parameterMemory.ts';
import type { GradientRegion, Stretch, Tables } from './tables.ts';

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
  readonly from: GradientRegion;
}

/** Writes weights and moments in place. */
export function updateParameters(
  memory: ParameterMemory,
  tables: Tables,
  settings: AdamWSettings,
  update: Update,
): void {
  const isDecayed = (run: Run): boolean => run.decayed && settings.weightDecay !== 0;
  for (const shard of memory.shards) {
    for (const run of runsOf(shard, tables)) {
      const stretches = run.table === undefined || isDecayed(run) ? [run] : tables.learned(run.table, update.from);
      for (const stretch of stretches) updateRun(shard, { ...run, ...stretch }, settings, update);
    }
  }
}

interface Run extends Stretch {
  readonly decayed: boolean;
  readonly learningRateScale: number;
  /** Name of the parameter, where its gradients come in rows. */
  readonly table?: string | undefined;
}

/** Neighbouring parameters that are treated alike, as one stretch. Vectors (biases, norms) are not decayed. */
function runsOf({ slots, floats }: Shard, tables: Tables): Run[] {
  const runs: Run[] = [];
  slots.forEach((slot, i) => {
    const next = slots[i + 1]?.start ?? floats;
    const run = runOf(slot, next - slot.start, tables);
    const last = runs.at(-1);
    if (last && isAlike(last, run)) runs[runs.length - 1] = { ...last, count: last.count + run.count };
    else runs.push(run);
  });
  return runs;
}

function runOf({ start, parameter: { name, shape, learningRateScale } }: Slot, count: number, tables: Tables): Run {
  const table = tables.names.has(name) ? name : undefined;
  return { start, count, decayed: shape.length > 1, learningRateScale, table };
}

const isAlike = (a: Run, b: Run): boolean =>
  !a.table && !b.table && a.decayed === b.decayed && a.learningRateScale === b.learningRateScale;

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
export function gradientNorm({ shards }: ParameterMemory, tables: Tables, from: GradientRegion): number {
  const squares = shards.flatMap((shard) =>
    runsOf(shard, tables)
      .flatMap((run) => (run.table === undefined ? [run] : tables.touched(run.table, from)))
      .map(({ start, count }) => shard.kernels.sumOfSquares(shard.addressOf(from, start), count)),
  );
  return Math.sqrt(squares.reduce((a, b) => a + b, 0));
}

/** Adds the gradients of the last batch to the total, or makes them the total where they are the first. Not of tables. */
export function accumulateGradients({ shards }: ParameterMemory, tables: Tables, first: boolean): void {
  for (const shard of shards) {
    const { kernels, addressOf } = shard;
    for (const { start, count, table } of runsOf(shard, tables)) {
      if (table !== undefined) continue;
      if (first) {
        const bytes = new Uint8Array(kernels.memory.buffer);
        bytes.copyWithin(addressOf('total', start), addressOf('gradient', start), addressOf('gradient', start + count));
      } else kernels.accumulate(addressOf('total', start), addressOf('gradient', start), count);
    }
  }
}
