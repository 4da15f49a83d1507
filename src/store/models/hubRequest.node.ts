import { HubApiError } from '@huggingface/hub';

export interface HubAccess {
  readonly endpoint: string;
  readonly token?: string;
  readonly signal: AbortSignal;
  /** How long a server may take to begin its answer, connecting included. */
  readonly answerWithinMs: number;
}

/** A `fetch` that sends the token to the endpoint and nowhere else, and that does not wait for ever. */
export function hubFetch({ endpoint, token, signal, answerWithinMs }: HubAccess): typeof fetch {
  const { origin } = new URL(endpoint);
  return async (input, init) => {
    const url = new URL(input instanceof Request ? input.url : input);
    const headers = new Headers(init?.headers);
    if (token && url.origin === origin) headers.set('authorization', `Bearer ${token}`);
    const request = new AbortController();
    const stop = (): void => request.abort(signal.reason);
    if (signal.aborted) stop();
    signal.addEventListener('abort', stop, { once: true });
    const timer = setTimeout(() => request.abort(timedOut(url.host, answerWithinMs)), answerWithinMs);
    try {
      return await fetch(url, { ...init, headers, signal: request.signal });
    } finally {
      clearTimeout(timer);
    }
  };
}

/** The body's pieces; gives up when none comes for a while. */
export async function* bodyOf(response: Response, stallMs: number): AsyncGenerator<Uint8Array> {
  if (!response.body) return;
  const reader = response.body.getReader();
  try {
    for (;;) {
      const { done, value } = await within(reader.read(), stallMs, new URL(response.url).host);
      if (done) return;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => undefined); // already broken: its error is on its way
  }
}

async function within<T>(promise: Promise<T>, ms: number, host: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(timedOut(host, ms)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

function timedOut(host: string, ms: number): DOMException {
  return new DOMException(`${host} did not answer within ${ms / 1000} s`, 'TimeoutError');
}

/** The same error that the library throws, for requests that we make ourselves. */
export async function requireOk(response: Response): Promise<Response> {
  if (response.ok) return response;
  await response.body?.cancel();
  const address = response.url.split('?')[0]!; // a signed address is a secret
  throw new HubApiError(address, response.status, undefined, `status ${response.status} from ${address}`);
}
