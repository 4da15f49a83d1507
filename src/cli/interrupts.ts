import type { EventEmitter } from 'node:events';

export interface InterruptSetup {
  readonly signals: Pick<EventEmitter, 'on' | 'off'>;
  /** Called for the first Ctrl-C. */
  readonly stop: () => void;
  /** Called for the second. */
  readonly exit: () => void;
}

/** Ctrl-C once lets the command end cleanly, twice ends the program. Returns what takes the listeners away again. */
export function listenForInterrupts({ signals, stop, exit }: InterruptSetup): () => void {
  let isStopping = false;
  const interrupt = () => {
    if (isStopping) exit();
    else stop();
    isStopping = true;
  };
  const names = ['SIGINT', 'SIGTERM'];
  for (const name of names) signals.on(name, interrupt);
  return () => {
    for (const name of names) signals.off(name, interrupt);
  };
}
