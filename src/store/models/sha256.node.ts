import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';

/** Checksum of a file of any size; one buffer of it is in memory at a time. */
export async function sha256OfFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, { signal });
  return hash.digest('hex');
}

/** Git's name of a file: sha1 over a header with the size, then the content. Fed by the caller. */
export function gitBlobHash(bytes: number): Hash {
  return createHash('sha1').update(`blob ${bytes}\0`);
}
