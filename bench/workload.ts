/** What a workload is: cases, each measured on several sides in turn. */
import type { FigureName, Figures } from './figures.ts';
import type { Options } from './options.ts';

export interface Side {
  readonly name: string;
  measure(): Promise<Figures>;
}

export interface Case {
  /** Empty where a workload has only one. */
  readonly name: string;
  /** Attune first, then what it is measured against. */
  readonly sides: readonly Side[];
}

export interface Workload {
  /** A sentence for docs/benchmarks.md. */
  readonly about: string;
  /** Of the rounds, the one that is best at this counts. */
  readonly primary: FigureName;
  /** A figure that no round changes. */
  readonly once?: boolean;
  /** A round that is not counted goes first. */
  readonly warmUp?: boolean;
  cases(place: Place): readonly Case[];
}

export interface Place {
  readonly options: Options;
  /** An empty folder, removed at the end. */
  readonly folder: string;
}
