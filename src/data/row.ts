/** What every format is read into. */
import type { ErrorCode } from '../errors/index.ts';
import type { DataProblem } from './problems.ts';
import type { Line } from './read/lines.ts';

export interface Row {
  readonly values: Readonly<Record<string, unknown>>;
  /** The line on which the row starts. */
  readonly line: number;
  /** `path:line`, as problems show it. */
  readonly where: string;
}

/**
 * Lines of a file to its rows. A problem stands in the place of the row that it spoils; reading goes on behind it.
 * `example` is a row in JSON as whoever reads wants it: advice shows it.
 */
export type Format = (lines: AsyncIterable<Line>, name: string, example: string) => AsyncGenerator<Row | DataProblem>;

export const isProblem = (item: Row | DataProblem): item is DataProblem => 'code' in item;

export function row(values: Record<string, unknown>, name: string, line: number): Row {
  return { values, line, where: `${name}:${line}` };
}

export interface Fault {
  readonly code: ErrorCode;
  readonly problem: string;
  readonly fix: string;
}

export function problemAt(name: string, line: number, fault: Fault): DataProblem {
  return { ...fault, line, where: `${name}:${line}` };
}
