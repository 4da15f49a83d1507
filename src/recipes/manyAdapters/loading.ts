import type { AdaptedModel } from './adaptedModel.ts';
import type { AdapterReferences } from './names.ts';

export interface Shareable {
  /** The same base once more, with adapters on it: runs, folders or names, or these by names of one's own. */
  with(...adapters: readonly AdapterReferences[]): Promise<AdaptedModel>;
}

/** A model once it is awaited, or a base for many adapters. */
export type Loading<M> = Promise<M & Shareable> & Shareable;

/** Nothing is opened before it is awaited: a base that only carries adapters need not answer by itself. */
export function loading<M extends object>(open: () => Promise<M>, shareable: Shareable): Loading<M> {
  let opening: Promise<M & Shareable> | undefined;
  const opened = (): Promise<M & Shareable> => {
    opening ??= open().then((model) => Object.assign(model, shareable));
    return opening;
  };
  return {
    ...shareable,
    // biome-ignore lint/suspicious/noThenProperty: it is a promise, but one that waits until it is asked
    then: (done, failed) => opened().then(done, failed),
    catch: (failed) => opened().catch(failed),
    finally: (done) => opened().finally(done),
    [Symbol.toStringTag]: 'Promise',
  };
}
