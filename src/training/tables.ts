/**
 * Gradients of embeddings: a batch reads a few rows of a table, so a few rows have a gradient. They come out of the
 * graph as they are and are added here, and nothing is done for the other rows. What AdamW makes of them is the same,
 * bit for bit: a row whose moments are zero and whose gradient is zero stays where it is. Only over several batches of
 * one step the sums are taken in another order.
 */
import type { Tensor } from '../engine/graph/index.ts';
import { scatteredRows } from '../engine/ops/index.ts';
import type { ParameterMemory, Region, Slot } from './parameterMemory.ts';

/** Which gradient region holds the sum of a step: of one batch, or of several. */
export type GradientRegion = Extract<Region, 'gradient' | 'total'>;

/** Neighbouring floats of a shard. */
export interface Stretch {
  readonly start: number;
  readonly count: number;
}

/** A table's gradient as the graph gives it: rows [...ids, width], and the input that says where they belong. */
export interface RowGradient {
  readonly parameter: string;
  readonly rows: Tensor;
  readonly ids: string;
}

/** Undefined where the gradient is no such thing, or the kernels cannot take its rows one by one. */
export function rowGradient(parameter: string, gradient: Tensor): RowGradient | undefined {
  const scattered = scatteredRows(gradient);
  const width = gradient.shape.at(-1);
  if (scattered?.ids.name === undefined || typeof width !== 'number' || width % 4 !== 0) return undefined;
  return { parameter, rows: scattered.rows, ids: scattered.ids.name };
}

interface Table {
  readonly slot: Slot;
  readonly width: number;
  /** Rows that may be other than zero, by region. */
  readonly touched: Readonly<Record<GradientRegion, Set<number>>>;
  /** 1 where a moment may be other than zero; known once the first update asks. */
  learned?: Uint8Array;
}

export interface Tables {
  readonly names: ReadonlySet<string>;
  /** Makes the gradients of a region zero again. */
  clear(region: GradientRegion): void;
  add(region: GradientRegion, parameter: string, rows: Float32Array, ids: ArrayLike<number>): void;
  /** What the last step's gradient may be other than zero in. */
  touched(parameter: string, region: GradientRegion): Stretch[];
  /** What an update without decay has to visit. */
  learned(parameter: string, region: GradientRegion): Stretch[];
}

/** What is in a memory stays in it when one trainer follows another. */
const known = new WeakMap<Slot, Table>();

function tableIn(slot: Slot): Table {
  const table = known.get(slot) ?? {
    slot,
    width: slot.parameter.shape.at(-1)!,
    touched: { gradient: new Set<number>(), total: new Set<number>() },
  };
  known.set(slot, table);
  return table;
}

export function openTables({ trained }: ParameterMemory, names: Iterable<string>): Tables {
  const wanted = new Set(names);
  const tables = new Map([...wanted].map((name) => [name, tableIn(trained.get(name)!)]));
  const tableOf = (name: string): Table => tables.get(name)!;
  return {
    names: wanted,
    clear(region) {
      for (const table of tables.values()) clearRows(table, region);
    },
    add: (region, parameter, rows, ids) => addRows(tableOf(parameter), region, { rows, ids }),
    touched: (parameter, region) => stretches(tableOf(parameter), sorted(tableOf(parameter).touched[region])),
    learned(parameter, region) {
      const table = tableOf(parameter);
      table.learned ??= rowsWithMoments(table);
      for (const row of table.touched[region]) table.learned[row] = 1;
      return stretches(
        table,
        [...table.learned.keys()].filter((row) => table.learned![row]),
      );
    },
  };
}

function clearRows({ slot, width, touched }: Table, region: GradientRegion): void {
  const values = slot.arrays[region];
  for (const row of touched[region]) values.fill(0, row * width, (row + 1) * width);
  touched[region].clear();
}

interface Rows {
  readonly rows: Float32Array;
  readonly ids: ArrayLike<number>;
}

function addRows({ slot, width, touched }: Table, region: GradientRegion, { rows, ids }: Rows): void {
  const values = slot.arrays[region];
  for (let i = 0, from = 0; i < ids.length; i++, from += width) {
    const into = ids[i]! * width;
    for (let k = 0; k < width; k++) values[into + k] = values[into + k]! + rows[from + k]!;
    touched[region].add(ids[i]!);
  }
}

/** A table that goes on learning brings moments along. */
function rowsWithMoments({ slot: { arrays }, width }: Table): Uint8Array {
  const learned = new Uint8Array(arrays.mean.length / width);
  const { mean, square } = arrays;
  for (let i = 0; i < mean.length; i++) if (mean[i] !== 0 || square[i] !== 0) learned[Math.floor(i / width)] = 1;
  return learned;
}

const sorted = (rows: Iterable<number>): number[] => [...rows].sort((a, b) => a - b);

/** Neighbouring rows as one stretch. */
function stretches({ slot: { start }, width }: Table, rows: readonly number[]): Stretch[] {
  const found: { start: number; count: number }[] = [];
  for (const row of rows) {
    const at = start + row * width;
    const last = found.at(-1);
    if (last && last.start + last.count === at) last.count += width;
    else found.push({ start: at, count: width });
  }
  return found;
}
