/** Weights and moments of the trained parameters, and what else is remembered, as they were at a good step, in memory. */
import type { ParameterMemory, Region } from '../parameterMemory.ts';

/** Above this a run goes back to what it saved on disk instead: a copy is three times the trained weights. */
const MOST_BYTES = 64 * 2 ** 20;
const FLOAT_BYTES = 4;
const moments = ['mean', 'square'] as const satisfies readonly Region[];
const kept = ['weight', ...moments] as const satisfies readonly Region[];

export interface Snapshot {
  /** The number that was given with the state that is kept; undefined before the first. */
  readonly updates: number | undefined;
  keep(updates: number): void;
  restore(): void;
}

/** Undefined where the copy would be too large. The limit is of the model, not of the machine: a run repeats anywhere. */
export function openSnapshot(memory: ParameterMemory, mostBytes = MOST_BYTES): Snapshot | undefined {
  const floats = liveArrays(memory).reduce((sum, { length }) => sum + length, 0);
  if (floats * FLOAT_BYTES > mostBytes) return undefined;
  const copies = liveArrays(memory).map(({ length }) => new Float32Array(length));
  const each = (work: (live: Float32Array, copy: Float32Array) => void): void =>
    liveArrays(memory).forEach((live, i) => {
      work(live, copies[i]!);
    });
  let updates: number | undefined;
  return {
    get updates() {
      return updates;
    },
    keep(done) {
      each((live, copy) => copy.set(live));
      updates = done;
    },
    restore: () => each((live, copy) => live.set(copy)),
  };
}

const liveArrays = ({ shards, remembered }: ParameterMemory): Float32Array[] => [
  ...shards.flatMap((shard) => kept.map((region) => regionOf(shard, region))),
  ...[...remembered.values()].map(({ data }) => data),
];

/** As before the first update. For weights that were read from disk, where no moments are. */
export function clearMoments({ shards, remembered }: ParameterMemory): void {
  for (const shard of shards) for (const region of moments) regionOf(shard, region).fill(0);
  for (const { data } of remembered.values()) data.fill(0);
}

const regionOf = ({ kernels, addressOf, floats }: ParameterMemory['shards'][number], region: Region): Float32Array =>
  new Float32Array(kernels.memory.buffer, addressOf(region), floats);
