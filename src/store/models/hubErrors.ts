import { HubApiError } from '@huggingface/hub';
import { AttuneError, type Problem } from '../../errors/index.ts';

/**
 * Whether an error says that no hub is at the other end, as opposed to a hub that refuses: no route, no answer in time,
 * a failing server, or a gateway's page in place of the hub's JSON.
 */
export function cannotReach(error: unknown): boolean {
  if (error instanceof HubApiError) return error.statusCode >= 500 || error.statusCode === 407;
  if (!(error instanceof Error)) return false;
  const fromFetch = error instanceof TypeError && error.cause !== undefined;
  return fromFetch || error.name === 'TimeoutError' || error instanceof SyntaxError;
}

/** Why, in words a person can use: fetch itself says no more than "fetch failed". */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (error instanceof SyntaxError) return 'the answer is not what a hub sends; something between may have answered';
  return plain(
    error.cause instanceof Error ? error.cause.message || reasonOf(error.cause.cause ?? error.name) : error.message,
  );
}

/** A server's words go to a terminal: one line, no control characters, not a page of HTML. */
function plain(message: string): string {
  const line = message.replace(/[\p{Cc}\p{Cf}]+/gu, ' ').trim();
  return line.length > 200 ? `${line.slice(0, 200)}…` : line;
}

export interface HubQuestion {
  readonly id: string;
  readonly revision?: string;
  readonly endpoint: string;
  readonly hasToken: boolean;
  /** Where else it was looked for. */
  readonly tried: string;
}

/** What the user can do about an error of the hub; other errors pass as they are. */
export function hubProblem(error: unknown, question: HubQuestion): unknown {
  if (cannotReach(error)) return new AttuneError(unreachable(error, question), { cause: error });
  if (error instanceof HubApiError) return new AttuneError(refused(error, question), { cause: error });
  return error;
}

function unreachable(error: unknown, { id, endpoint, tried }: HubQuestion): Problem {
  return {
    code: 'DOWNLOAD_FAILED',
    where: id,
    problem: `${endpoint} cannot be reached: ${reasonOf(error)}; ${tried}`,
    fix:
      'check the network; or set HF_ENDPOINT to a mirror you can reach (behind a proxy: NODE_USE_ENV_PROXY=1 and a ' +
      'Node that knows it), give a folder, or a package as pypi:PACKAGE',
  };
}

function refused(error: HubApiError, { id, revision, endpoint, hasToken, tried }: HubQuestion): Problem {
  const status = error.statusCode;
  const page = `${endpoint}/${id}`;
  const asked = revision === undefined ? id : `${id} at revision ${revision}`;
  const answer = `${endpoint} answered ${status} (${plain(error.message)})`;
  const missing = { code: 'MODEL_NOT_FOUND', where: id } as const;
  const failed = { code: 'DOWNLOAD_FAILED', where: id, problem: answer } as const;
  if (status === 404) {
    const orToken = hasToken ? 'check that HF_TOKEN may read it' : 'set HF_TOKEN if it is private';
    return {
      ...missing,
      problem: `no ${asked}: ${answer}; ${tried}`,
      fix: `check the spelling at ${page}; ${orToken}`,
    };
  }
  if (status === 401 && hasToken) return { ...failed, fix: 'HF_TOKEN is not accepted: make a new one and set it' };
  if (status === 401) {
    const problem = `no ${asked} that can be read without a token: ${answer}; ${tried}`;
    return { ...missing, problem, fix: `check the spelling at ${page}; set HF_TOKEN if it is private or gated` };
  }
  if (status === 403) {
    const token = hasToken ? 'with the account of HF_TOKEN' : 'and set HF_TOKEN';
    return { ...failed, fix: `ask for access to the model at ${page} ${token}` };
  }
  if (status === 429) return { ...failed, fix: 'too many requests: wait a few minutes, or set HF_TOKEN' };
  return { ...failed, fix: `see whether ${page} opens in a browser, and try again` };
}
