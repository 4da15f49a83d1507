/** A file without a name: it takes room on the disk while it is open, and none afterwards, however the program ends. */
import { randomBytes } from 'node:crypto';
import { closeSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { cannotWrite } from './runFolder.node.ts';

export interface ScratchFile extends Disposable {
  /** Positions are in bytes. */
  write(values: Float32Array, at: number): void;
  read(into: Float32Array, at: number): void;
}

const bytesOf = ({ buffer, byteOffset, byteLength }: Float32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

export function openScratchFile(folder: string): ScratchFile {
  const path = join(folder, `.scratch-${process.pid}-${randomBytes(4).toString('hex')}`);
  const file = guarded(folder, () => openSync(path, 'wx+'));
  guarded(folder, () => rmSync(path));
  const inPieces = (values: Float32Array, at: number, move: (piece: Uint8Array, at: number) => number): void => {
    const bytes = bytesOf(values);
    for (let done = 0; done < bytes.length; ) {
      const moved = guarded(folder, () => move(bytes.subarray(done), at + done));
      if (moved === 0) throw new Error(`internal: the scratch file ends at byte ${at + done}`);
      done += moved;
    }
  };
  return {
    write: (values, at) => inPieces(values, at, (piece, from) => writeSync(file, piece, 0, piece.length, from)),
    read: (into, at) => inPieces(into, at, (piece, from) => readSync(file, piece, 0, piece.length, from)),
    [Symbol.dispose]: () => closeSync(file),
  };
}

function guarded<T>(folder: string, work: () => T): T {
  try {
    return work();
  } catch (failure) {
    throw cannotWrite(folder, failure as NodeJS.ErrnoException);
  }
}
