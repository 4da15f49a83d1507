/** The worker's side: runs one recipe and sends what happens. */
import { parentPort, workerData } from 'node:worker_threads';
import { AttuneError } from '../../errors/index.ts';
import type { TrainEvent } from './events.ts';
import { runTraining } from './train.node.ts';
import type { FromWorker, Job } from './trainInWorker.node.ts';

const SEND_EVERY_MS = 50;

const send = (message: FromWorker): void => parentPort!.postMessage(message);
const stop = new AbortController();
parentPort!.on('message', () => stop.abort());

let waiting: TrainEvent[] = [];
let sentAt = Number.NEGATIVE_INFINITY;

/** Steps of a small head are shorter than the sending of an event: those that follow closely travel together. */
function tell(event: TrainEvent): void {
  waiting.push(event);
  const canWait = event.type === 'step' && !event.lastOfEpoch;
  if (!canWait || performance.now() - sentAt >= SEND_EVERY_MS) sendWaiting();
}

function sendWaiting(): void {
  if (waiting.length > 0) send({ kind: 'events', events: waiting });
  waiting = [];
  sentAt = performance.now();
}

try {
  const { recipe, how } = workerData as Job;
  const record = await runTraining(recipe, { ...how, signal: stop.signal, onEvent: tell });
  sendWaiting();
  send({ kind: 'done', record });
} catch (failure) {
  const { code, where, problem, fix } = failure as AttuneError;
  const known = failure instanceof AttuneError ? { code, where, problem, fix } : undefined;
  const { name, message, stack } = failure as Error;
  sendWaiting();
  send({ kind: 'failed', known, thrown: { name, message, stack } });
} finally {
  parentPort!.close();
}
