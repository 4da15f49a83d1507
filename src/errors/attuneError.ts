import { type ErrorCode, errorCodes } from './codes.ts';

export interface Problem {
  readonly code: ErrorCode;
  /** The place: a file with its line, a recipe key, a tensor's name. */
  readonly where: string;
  /** What is wrong, with the value that was found. */
  readonly problem: string;
  /** What to do about it. */
  readonly fix: string;
}

/** A mistake that a user can mend. Our own mistakes are plain errors whose message starts with `internal:`. */
export class AttuneError extends Error {
  override readonly name = 'AttuneError';
  readonly code: ErrorCode;
  readonly where: string;
  readonly problem: string;
  readonly fix: string;

  constructor({ code, where, problem, fix }: Problem, options?: ErrorOptions) {
    super(`${where}: ${problem}\n  fix: ${fix}  [${code}]`, options);
    this.code = code;
    this.where = where;
    this.problem = problem;
    this.fix = fix;
  }

  get exitCode(): number {
    return errorCodes[this.code].exit;
  }
}
