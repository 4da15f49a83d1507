import { readFileSync } from 'node:fs';

export interface ProcessMemory {
  /** Resident bytes, pages that other processes share counted in part. */
  readonly pss: number;
  readonly rss: number;
}

/** What this process takes; Linux alone says it. */
export function processMemory(): ProcessMemory {
  const text = readFileSync('/proc/self/smaps_rollup', 'utf8');
  const read = (name: string): number => Number(new RegExp(`^${name}: +(\\d+) kB`, 'm').exec(text)![1]) * 1024;
  return { pss: read('Pss'), rss: read('Rss') };
}
