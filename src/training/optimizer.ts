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
  /** Which parameters are trained by now, and after how many updates each began; left out: all, from the first. */
  readonly opened?: Opened;
}

/** Updates before the first one of what rests for some steps; undefined while it rests. */
export type Opened = (opensAfter: number) => number | undefined;

const fromTheFirst: Opened = () => 0;

/** Writes weights and moments in place. */
export function updateParameters(
  memory: ParameterMemory,
  tables: Tables,
  settings: AdamWSettings,
  update: Update,
): void {
  const isDecayed = (run: Run): boolean => decayOf(run, settings) !== 0;
  for (const shard of memory.shards) {
    for (const run of runsOf(shard, tables, update.opened)) {
      const stretches = run.table === undefined || isDecayed(run) ? [run] : tables.learned(run.table, update.from);
      for (const stretch of stretches) updateRun(shard, { ...run, ...stretch }, settings, update);
    }
  }
}

interface Run extends Stretch {
  /** A matrix, which is decayed as the run is. */
  readonly decayed: boolean;
  /** Where it has a decay of its own. */
  readonly weightDecay: number | undefined;
  readonly learningRateScale: number;
  /** Updates before its first one. */
  readonly opened: number;
  /** Name of the parameter, where its gradients come in rows. */
  readonly table?: string | undefined;
}

/** Neighbouring parameters that are treated alike, as one stretch. Vectors (biases, norms) are not decayed. */
function runsOf({ slots, floats }: Shard, tables: Tables, openedOf = fromTheFirst): Run[] {
  const runs: Run[] = [];
  slots.forEach((slot, i) => {
    const opened = openedOf(slot.parameter.opensAfter);
    if (opened === undefined) return;
    const next = slots[i + 1]?.start ?? floats;
    const run = { ...runOf(slot, tables), count: next - slot.start, opened };
    const last = runs.at(-1);
    if (last && isAlike(last, run)) runs[runs.length - 1] = { ...last, count: last.count + run.count };
    else runs.push(run);
  });
  return runs;
}

function runOf({ start, parameter }: Slot, tables: Tables) {
  const { name, shape, learningRateScale, weightDecay } = parameter;
  const table = tables.names.has(name) ? name : undefined;
  return { start, decayed: shape.length > 1, weightDecay, learningRateScale, table };
}

const decayOf = ({ decayed, weightDecay }: Run, settings: AdamWSettings): number =>
  weightDecay ?? (decayed ? settings.weightDecay : 0);

const isAlike = (a: Run, b: Run): boolean =>
  !a.table &&
  !b.table &&
  a.start + a.count === b.start &&
  a.decayed === b.decayed &&
  a.weightDecay === b.weightDecay &&
  a.opened === b.opened &&
  a.learningRateScale === b.learningRateScale;

function updateRun(shard: Shard, run: Run, settings: AdamWSettings, update: Update): void {
  const { start, count, learningRateScale, opened } = run;
  const { beta1, beta2, epsilon } = settings;
  const { gradientScale, from } = update;
  const updates = update.step - opened;
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
    decay: 1 - learningRate * decayOf(run, settings),
    stepSize: learningRate / (1 - beta1 ** updates),
    inverseSquareCorrection: 1 / Math.sqrt(1 - beta2 ** updates),
  });
}

interface Summed {
  readonly from: GradientRegion;
  readonly opened?: Opened;
}

/** ‖g‖ over all parameters that are trained by now, of the gradients as they are summed. */
export function gradientNorm({ shards }: ParameterMemory, tables: Tables, { from, opened }: Summed): number {
  const squares = shards.flatMap((shard) =>
    runsOf(shard, tables, opened)
      .flatMap((run) => (run.table === undefined ? [run] : tables.touched(run.table, from)))
      .map(({ start, count }) => shard.kernels.sumOfSquares(shard.addressOf(from, start), count)),
  );
  return Math.sqrt(squares.reduce((a, b) => a + b, 0));
}

interface Accumulating {
  readonly first: boolean;
  readonly opened?: Opened;
}

/** Adds the gradients of the last batch to the total, or makes them the total where they are the first. Not of tables. */
export function accumulateGradients(
  { shards }: ParameterMemory,
  tables: Tables,
  { first, opened }: Accumulating,
): void {
  for (const shard of shards) {
    const { kernels, addressOf } = shard;
    for (const { start, count, table } of runsOf(shard, tables, opened)) {
      if (table !== undefined) continue;
      if (first) {
        const bytes = new Uint8Array(kernels.memory.buffer);
        bytes.copyWithin(addressOf('total', start), addressOf('gradient', start), addressOf('gradient', start + count));
      } else kernels.accumulate(addressOf('total', start), addressOf('gradient', start), count);
    }
  }
}
