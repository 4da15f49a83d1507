/** What was opened is closed where the rest of opening it fails: nobody else could. */
export async function closingOnFailure<T>(opened: AsyncDisposable, rest: () => Promise<T>): Promise<T> {
  try {
    return await rest();
  } catch (failure) {
    await opened[Symbol.asyncDispose]();
    throw failure;
  }
}
