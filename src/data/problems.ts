/** Problems of data files are collected, so that a user mends a file once and not line after line. */
import { AttuneError, type Problem } from '../errors/index.ts';

/** A problem at a line; `line` is null where it is the whole file's. */
export interface DataProblem extends Problem {
  readonly line: number | null;
}

/** The first problems, and how many there are in all. */
export interface Problems {
  readonly problems: readonly DataProblem[];
  readonly problemCount: number;
}

export interface ProblemList extends Problems {
  add(problem: DataProblem): void;
}

const KEPT_PROBLEMS = 100;
const SHOWN_PROBLEMS = 5;

/** Keeps the first problems and counts the rest: a file of the wrong kind has one on every line. */
export function problemList(limit = KEPT_PROBLEMS): ProblemList {
  const problems: DataProblem[] = [];
  let problemCount = 0;
  return {
    problems,
    get problemCount() {
      return problemCount;
    },
    add(problem) {
      problemCount++;
      if (problems.length < limit) problems.push(problem);
    },
  };
}

/** An error that ended the reading, as a problem of the list. Errors of other kinds are ours and are thrown on. */
export function problemOf(error: unknown): DataProblem {
  if (!(error instanceof AttuneError)) throw error;
  const { code, where, problem, fix } = error;
  return { code, where, problem, fix, line: lineOf(where) };
}

/** The line of a place `path:line`. */
export function lineOf(where: string): number | null {
  const line = /:(\d+)$/.exec(where)?.[1];
  return line === undefined ? null : Number(line);
}

/** Throws one error when there are problems: the fields are those of the first, the text lists the first few. */
export function throwProblems({ problems, problemCount }: Problems): void {
  const first = problems[0];
  if (first === undefined) return;
  const error = new AttuneError(first, { cause: problems });
  const shown = problems.slice(0, SHOWN_PROBLEMS).map((problem) => new AttuneError(problem).message);
  const further = problemCount - shown.length;
  if (further > 0) shown.push(`and ${further} further ${further === 1 ? 'problem' : 'problems'}`);
  error.message = shown.join('\n');
  throw error;
}

const EXCERPT_LENGTH = 80;

/** The beginning of a text on one line, at most 80 characters (code points). */
export function excerpt(text: string): string {
  // A character takes at most two UTF-16 units, so a longer text need not be taken apart whole.
  const characters = Array.from(text.slice(0, 2 * EXCERPT_LENGTH + 2));
  const shown = characters.length > EXCERPT_LENGTH ? [...characters.slice(0, EXCERPT_LENGTH - 1), '…'] : characters;
  return shown.join('').replace(/\p{Cc}/gu, ' ');
}

/** `a, b, c and 4 more`, for lists that may be long. */
export function listed(items: readonly string[], most = 5): string {
  const shown = items.slice(0, most).join(', ');
  return items.length > most ? `${shown} and ${items.length - most} more` : shown;
}
