/** Runs a recipe in a thread of its own, so that progress, signals and servers stay awake meanwhile. */
import { Worker } from 'node:worker_threads';
import { AttuneError, type Problem } from '../../errors/index.ts';
import { type RunRecord, releaseLockOf } from '../../store/runs/index.ts';
import type { Recipe } from '../schema/index.ts';
import type { TrainEvent } from './events.ts';
import type { TrainOptions } from './train.node.ts';

export type FromWorker =
  | { readonly kind: 'events'; readonly events: readonly TrainEvent[] }
  | { readonly kind: 'done'; readonly record: RunRecord }
  | {
      readonly kind: 'failed';
      readonly known?: Problem;
      readonly thrown: { readonly name: string; readonly message: string; readonly stack?: string };
    };

/** What the worker is started with. */
export interface Job {
  readonly recipe: Recipe;
  readonly how: Pick<TrainOptions, 'resume' | 'allowChanges'>;
}

export function trainInWorker(recipe: Recipe, { onEvent, signal, ...how }: TrainOptions): Promise<RunRecord> {
  signal.throwIfAborted();
  // In the compiled package the worker stands beside this file.
  const worker = new Worker(new URL('./trainWorker.node.js', import.meta.url), {
    workerData: { recipe, how } satisfies Job,
  });
  const thread = worker.threadId;
  const stop = (): void => worker.postMessage('stop');
  signal.addEventListener('abort', stop, { once: true });
  return new Promise<RunRecord>((resolve, reject) => {
    worker.on('message', (message: FromWorker) => {
      if (message.kind === 'events') message.events.forEach(onEvent);
      else if (message.kind === 'done') resolve(message.record);
      else reject(errorOf(message));
    });
    worker.on('error', reject);
    worker.on('exit', (code) => {
      const failure = new Error(`internal: the training thread ended early, with code ${code}`);
      // A thread that was killed could not give the folder back.
      void releaseLockOf(recipe.output_dir, thread).finally(() => reject(failure));
    });
  }).finally(() => signal.removeEventListener('abort', stop));
}

function errorOf({ known, thrown }: Extract<FromWorker, { kind: 'failed' }>): Error {
  const { name, message, stack } = thrown;
  if (!known && name === 'AbortError') return new DOMException(message, name);
  const error = known ? new AttuneError(known) : new Error(message);
  // The message of a known error may say more than its fields, which are those of the first of several problems.
  Object.defineProperty(error, 'message', { value: message });
  if (stack) Object.defineProperty(error, 'stack', { value: stack });
  return error;
}
