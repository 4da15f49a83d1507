/** The worker's side: runs one recipe and sends what happens. */
import { parentPort, workerData } from 'node:worker_threads';
import { AttuneError } from '../../errors/index.ts';
import type { Recipe } from '../schema/index.ts';
import { runTraining } from './train.node.ts';
import type { FromWorker } from './trainInWorker.node.ts';

const send = (message: FromWorker): void => parentPort!.postMessage(message);
const stop = new AbortController();
parentPort!.on('message', () => stop.abort());

try {
  const record = await runTraining(workerData as Recipe, {
    signal: stop.signal,
    onEvent: (event) => send({ kind: 'event', event }),
  });
  send({ kind: 'done', record });
} catch (failure) {
  const { code, where, problem, fix } = failure as AttuneError;
  const known = failure instanceof AttuneError ? { code, where, problem, fix } : undefined;
  const { name, message, stack } = failure as Error;
  send({ kind: 'failed', known, thrown: { name, message, stack } });
} finally {
  parentPort!.close();
}
