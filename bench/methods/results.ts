/** What bench/methods/run.ts keeps of each run. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';

export interface Cell {
  readonly suite: string;
  readonly method: string;
  readonly seed: number;
  /** Accuracy or loss, on validation rows. */
  readonly quality: number;
  readonly trainableParameters: number;
  readonly totalParameters: number;
  readonly trainSeconds: number;
  readonly peakBytes: number;
  readonly fileBytes: number;
  readonly machine: { readonly processor: string; readonly threads: number; readonly atOnce: number };
}

export const keyOf = ({ suite, method, seed }: Pick<Cell, 'suite' | 'method' | 'seed'>): string =>
  `${suite} | ${method} | ${seed}`;

export function readCells(path: string): Map<string, Cell> {
  const cells: Cell[] = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : [];
  return new Map(cells.map((cell) => [keyOf(cell), cell]));
}

/** Whole or not at all: a run that is interrupted loses nothing. */
function write(path: string, value: unknown): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(value, null, 1)}\n`);
  renameSync(`${path}.new`, path);
}

export const writeCells = (path: string, cells: ReadonlyMap<string, Cell>): void => write(path, [...cells.values()]);

/** What bench/methods/pace.ts keeps: the time of a step of each method over that of LoRA, by suite. */
export type Paces = Readonly<Record<string, Readonly<Record<string, number>>>>;

export const readPaces = (path: string): Paces => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {});

export const writePaces = (path: string, paces: Paces): void => write(path, paces);

/** What bench/methods/rates.ts keeps: the quality at a learning rate, on rows that nothing else is measured on. */
export interface Rated {
  readonly suite: string;
  readonly method: string;
  readonly rate: number;
  readonly quality: number;
}

export const readRates = (path: string): Rated[] => (existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : []);

export const writeRates = (path: string, rates: readonly Rated[]): void => write(path, rates);
