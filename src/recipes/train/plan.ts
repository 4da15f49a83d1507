/** How many steps a run takes, and which rows each step sees. */
import { chunks, collate, type EncodedRow } from '../../data/batch.ts';
import { collatePacked, packRows } from '../../data/packing.ts';
import { type BatchSize, cutByTokens, longestFirst, type SamplingOptions, sampleBatches } from '../../data/sampling.ts';
import { stream } from '../../engine/random/index.ts';
import type { MicroBatch, Schedule, StepBatches } from '../../training/index.ts';
import type { Recipe } from '../schema/index.ts';

export interface StepPlan {
  /** Optimizer steps of each epoch that the run enters. The last epoch may be broken off. */
  readonly stepsOfEpoch: readonly number[];
  readonly totalSteps: number;
  readonly epochs: number;
}

/** What the batches of a run depend on, but for the rows themselves. */
type Batching = Pick<Recipe, 'data' | 'training'>;

export function planSteps(recipe: Batching, lengths: readonly number[]): StepPlan {
  const { training } = recipe;
  const { max_steps: maxSteps, num_train_epochs: epochs } = training;
  const stepsOfEpoch: number[] = [];
  let totalSteps = 0;
  for (let epoch = 0; maxSteps > 0 ? totalSteps < maxSteps : epoch < epochs; epoch++) {
    const steps = Math.ceil(countBatches(recipe, lengths, epoch) / training.gradient_accumulation_steps);
    if (steps === 0) throw new Error('internal: there is nothing to learn from');
    const share = maxSteps > 0 ? 1 : Math.min(1, epochs - epoch);
    stepsOfEpoch.push(steps);
    // What binary fractions add to a share (1.3 − 1 > 0.3) must not make a step of its own.
    totalSteps += Math.max(1, Math.ceil(share * steps - 1e-9));
  }
  if (maxSteps > 0) totalSteps = maxSteps;
  return { stepsOfEpoch, totalSteps, epochs: epochsAfter(stepsOfEpoch, totalSteps) };
}

/** How much of the data has been seen after some steps. */
export function epochsAfter(stepsOfEpoch: readonly number[], steps: number): number {
  let left = steps;
  for (const [epoch, count] of stepsOfEpoch.entries()) {
    if (left < count) return epoch + left / count;
    left -= count;
  }
  return stepsOfEpoch.length;
}

const batchSize = ({ data, training }: Batching): BatchSize => {
  const { tokens_per_batch: tokens, per_device_train_batch_size: rows } = training;
  return tokens === undefined ? { rows: rows! } : { tokens, packed: data.packing };
};

const samplingOf = (recipe: Batching, lengths: readonly number[]): Omit<SamplingOptions, 'epoch'> => ({
  lengths,
  size: batchSize(recipe),
  strategy: recipe.training.train_sampling_strategy,
  stream: stream(recipe.training.seed, 'shuffle'),
});

function countBatches(recipe: Batching, lengths: readonly number[], epoch: number): number {
  const size = batchSize(recipe);
  if ('rows' in size) return Math.ceil(lengths.length / size.rows);
  return sampleBatches({ ...samplingOf(recipe, lengths), epoch }).length;
}

export const scheduleOf = ({ training }: Recipe, { totalSteps }: StepPlan): Schedule => ({
  name: training.lr_scheduler_type,
  learningRate: training.learning_rate,
  warmupSteps: training.warmup_steps || Math.ceil(training.warmup_ratio * totalSteps),
  totalSteps,
});

/** The parts of a batch that are computed one after the other; undefined ends the steps. */
export type Parts = (
  batch: readonly number[],
) => readonly MicroBatch[] | undefined | Promise<readonly MicroBatch[] | undefined>;

interface Stepping {
  readonly recipe: Batching;
  readonly plan: StepPlan;
  readonly partsOf: Parts;
  /** Steps that were done before: their rows are passed over. */
  readonly skip?: number;
}

/** The batches of every step, epoch after epoch, made when they are asked for. */
export async function* stepBatches(
  rows: readonly EncodedRow[],
  { recipe, plan, partsOf, skip = 0 }: Stepping,
): AsyncGenerator<StepBatches> {
  const sampling = samplingOf(
    recipe,
    rows.map(({ inputIds }) => inputIds.length),
  );
  let passed = 0;
  for (const epoch of plan.stepsOfEpoch.keys()) {
    const steps = chunks(sampleBatches({ ...sampling, epoch }), recipe.training.gradient_accumulation_steps);
    for (const [index, step] of steps.entries()) {
      if (passed++ < skip) continue;
      const batches: MicroBatch[] = [];
      for (const batch of step) {
        const parts = await partsOf(batch);
        if (!parts) return;
        batches.push(...parts);
      }
      const lastOfEpoch = index === steps.length - 1;
      yield { batches, epoch: epoch + (index + 1) / steps.length, lastOfEpoch };
    }
  }
}

/** Rows as they are, in parts that are small enough. */
export function rowParts(rows: readonly EncodedRow[], { data, training }: Batching, padTokenId: number) {
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  return (data.packing ? packedParts : paddedParts)({ rows, lengths, limit: training.micro_batch_tokens, padTokenId });
}

interface Parting {
  readonly rows: readonly EncodedRow[];
  readonly lengths: readonly number[];
  /** Tokens that are computed at once; 0 = any number. */
  readonly limit: number;
  readonly padTokenId: number;
}

/** Long rows go with long ones, so that less is padded too. */
const paddedParts =
  ({ rows, lengths, limit, padTokenId }: Parting) =>
  (batch: readonly number[]): MicroBatch[] => {
    const padded = batch.length * longestOf(batch, lengths);
    const fits = limit === 0 || padded <= limit;
    const parts = fits ? [batch] : cutByTokens(longestFirst(batch, lengths), lengths, { tokens: limit });
    return parts.map((part) => ({ ...collate(membersOf(part, rows), padTokenId), examples: part }));
  };

const packedParts =
  ({ rows, lengths, limit, padTokenId }: Parting) =>
  (batch: readonly number[]): MicroBatch[] => {
    const sequences = packRows(batch, lengths);
    const atOnce = limit === 0 ? sequences.length : Math.max(1, Math.floor(limit / longestOf(batch, lengths)));
    const count = Math.ceil(sequences.length / atOnce);
    return chunks(sequences, Math.ceil(sequences.length / count)).map((part) => {
      const members = part.map((sequence) => membersOf(sequence, rows));
      return { ...collatePacked(members, padTokenId), examples: part.flat() };
    });
  };

const longestOf = (batch: readonly number[], lengths: readonly number[]): number =>
  Math.max(...batch.map((row) => lengths[row]!));
const membersOf = (numbers: readonly number[], rows: readonly EncodedRow[]): EncodedRow[] =>
  numbers.map((row) => rows[row]!);
