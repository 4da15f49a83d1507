/** Something that is replaced while it is in use: what was replaced goes when the work that began with it is done. */

export interface Replaceable<T> extends AsyncDisposable {
  readonly current: T;
  /** The work keeps what is there now, whatever comes after it. */
  use<R>(work: (value: T) => Promise<R>): Promise<R>;
  replace(value: T): void;
}

export function openReplaceable<T extends AsyncDisposable>(first: T): Replaceable<T> {
  const holding = (value: T) => ({ value, running: new Set<Promise<unknown>>() });
  let now = holding(first);
  const leaving: Promise<void>[] = [];
  const leave = async ({ value, running }: typeof now): Promise<void> => {
    await Promise.allSettled(running);
    await value[Symbol.asyncDispose]();
  };
  return {
    get current() {
      return now.value;
    },
    async use(work) {
      const { value, running } = now;
      const result = work(value);
      running.add(result);
      try {
        return await result;
      } finally {
        running.delete(result);
      }
    },
    replace(value) {
      leaving.push(leave(now));
      now = holding(value);
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([...leaving, leave(now)]);
    },
  };
}
