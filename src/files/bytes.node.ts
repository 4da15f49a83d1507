import { open } from 'node:fs/promises';
import type { ByteSource } from './bytes.ts';

/** A file on disk. Only what is asked for is read. */
export async function openFile(path: string): Promise<ByteSource> {
  const handle = await open(path, 'r');
  // Of the open file, not of its path: what lies there later is another one.
  const { dev, ino, size: bytes, mtimeNs, ctimeNs } = await handle.stat({ bigint: true });
  const size = Number(bytes);
  return {
    name: path,
    size,
    identity: [dev, ino, bytes, mtimeNs, ctimeNs].join(':'),
    async read(offset, into) {
      let done = 0;
      while (done < into.length) {
        const { bytesRead } = await handle.read(into, done, into.length - done, offset + done);
        if (bytesRead === 0) throw new Error(`${path} ended at byte ${offset + done}`);
        done += bytesRead;
      }
    },
    close: () => handle.close(),
  };
}
