/**
 * What the frozen part of a program makes of each row: computed when a row is first asked for, then kept, in memory as
 * far as that goes and in a storage beyond it. Rows are computed in fixed groups of like length: a row's features do
 * not depend on when, or beside whom, it is asked for, so that a run that is taken up again sees the same ones.
 */
import { batchesByLength, collate, type EncodedRow } from '../data/batch.ts';
import type { OpenSession, Value, Values } from '../engine/runtime/index.ts';
import { batchInputsOf, type Cut, type Features } from '../models/nn/index.ts';
import { cutRows, joinRows, layoutsOf, rowFloats } from './featureLayout.ts';
import { type ParameterMemory, parameterValues } from './parameterMemory.ts';

const FLOAT_BYTES = 4;

/** Where features go that memory has no room for. Positions are in bytes. */
export interface FeatureStorage {
  write(values: Float32Array, at: number): void;
  read(into: Float32Array, at: number): void;
}

export interface FeatureOptions {
  readonly memory: ParameterMemory;
  readonly open: OpenSession;
  readonly threads: number;
  readonly padTokenId: number;
  /** Rows that are computed at once. */
  readonly batchSize: number;
  readonly memoryBytes: number;
  /** Called once, when memory is full. */
  readonly openStorage: () => FeatureStorage;
}

export interface FeatureSource extends AsyncDisposable {
  /** Time that the computing took so far. */
  readonly seconds: number;
  /** Computes what the rows lack. False where the signal was aborted before all of it was there. */
  prepare(rows: readonly number[], signal?: AbortSignal): Promise<boolean>;
  /** What the upper part of the program reads of prepared rows. */
  feeds(rows: readonly number[]): Values;
}

/** Rows that are computed together. */
interface Group {
  readonly members: readonly number[];
  /** In floats from the start of all rows. */
  readonly start: number;
  readonly end: number;
  kept?: Float32Array | 'stored';
}

/** Where a row's features are, in floats from the start of its group. */
interface Place {
  readonly group: Group;
  readonly offset: number;
  readonly floats: number;
}

/** Room that the features of all rows take. */
export function featureBytes(features: Features, rows: readonly EncodedRow[]): number {
  const layouts = layoutsOf(features);
  return rows.reduce((sum, { inputIds }) => sum + rowFloats(layouts, inputIds.length), 0) * FLOAT_BYTES;
}

export async function openFeatures(
  { below, above }: Cut<object>,
  rows: readonly EncodedRow[],
  { memory, open, threads, padTokenId, batchSize, ...keeping }: FeatureOptions,
): Promise<FeatureSource> {
  const layouts = layoutsOf(below.outputs);
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  const lengthsOf = (wanted: readonly number[]): number[] => wanted.map((row) => lengths[row]!);
  const places = placesOf(batchesByLength(lengths, batchSize), (row) => rowFloats(layouts, lengths[row]!));
  const plain = plainFeeds(above, below.outputs, padTokenId);
  const session = await open(below.outputs, { threads });
  const weights = parameterValues(below, memory);
  const store = openStore(keeping);
  let milliseconds = 0;

  async function compute(group: Group): Promise<void> {
    const started = performance.now();
    const members = group.members.map((row) => rows[row]!);
    const results = await session.run({ ...weights, ...collate(members, padTokenId).feeds });
    store.keep(group, cutRows(layouts, results, lengthsOf(group.members)));
    milliseconds += performance.now() - started;
  }

  return {
    get seconds() {
      return milliseconds / 1000;
    },
    async prepare(wanted, signal) {
      for (const row of wanted) {
        const { group } = places[row]!;
        if (group.kept) continue;
        if (signal?.aborted) return false;
        await compute(group);
      }
      return true;
    },
    feeds(wanted) {
      const features = wanted.map((row) => store.read(places[row]!));
      return { ...plain(wanted.map((row) => rows[row]!)), ...joinRows(layouts, features, lengthsOf(wanted)) };
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

/** Memory as long as it lasts, then the storage. */
function openStore({ memoryBytes, openStorage }: Pick<FeatureOptions, 'memoryBytes' | 'openStorage'>) {
  let storage: FeatureStorage | undefined;
  return {
    keep(group: Group, values: Float32Array): void {
      group.kept = group.end * FLOAT_BYTES <= memoryBytes ? values : 'stored';
      if (group.kept !== 'stored') return;
      storage ??= openStorage();
      storage.write(values, group.start * FLOAT_BYTES);
    },
    read({ group, offset, floats }: Place): Float32Array {
      if (!group.kept) throw new Error('internal: the features of a row were not prepared');
      if (group.kept !== 'stored') return group.kept.subarray(offset, offset + floats);
      const values = new Float32Array(floats);
      storage!.read(values, (group.start + offset) * FLOAT_BYTES);
      return values;
    },
  };
}

/** Groups lie one after the other, and the rows of each likewise. */
function placesOf(groups: readonly (readonly number[])[], floatsOf: (row: number) => number): Place[] {
  const places: Place[] = [];
  let start = 0;
  for (const members of groups) {
    const group: Group = { members, start, end: start + members.reduce((sum, row) => sum + floatsOf(row), 0) };
    let offset = 0;
    for (const row of members) {
      places[row] = { group, offset, floats: floatsOf(row) };
      offset += places[row].floats;
    }
    start = group.end;
  }
  return places;
}

/** What the upper part reads beside features. */
function plainFeeds(above: Cut<object>['above'], features: Features, padTokenId: number) {
  const read = batchInputsOf(above).filter(({ name }) => !(name! in features));
  const labels = (rows: readonly EncodedRow[]): Value => {
    const data = Int32Array.from(rows, ({ label }) => label);
    return { dtype: 'int32', shape: [rows.length], data };
  };
  // A head reads nothing of a token.
  const isHead = read.every(({ name }) => name === 'labels');
  return (rows: readonly EncodedRow[]): Values => (isHead ? { labels: labels(rows) } : collate(rows, padTokenId).feeds);
}
