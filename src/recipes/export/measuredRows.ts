import { AttuneError } from '../../errors/index.ts';

/** Rows to compare on. A run's own data may have gone, and then it merges all the same; files that are given may not. */
export async function measuredRows<T>(
  read: () => Promise<T | undefined>,
  given: readonly string[] | undefined,
): Promise<T | undefined> {
  try {
    return await read();
  } catch (failure) {
    const isData = failure instanceof AttuneError && failure.code.startsWith('DATA_');
    if (given || !isData) throw failure;
    return undefined;
  }
}
