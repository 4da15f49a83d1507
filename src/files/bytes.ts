/** A file, or anything else that has a size and can be read in ranges. */
export interface ByteSource {
  /** What errors call it. */
  readonly name: string;
  readonly size: number;
  /** Equal for the same unchanged bytes; undefined where nothing tells. */
  readonly identity?: string;
  /** Fills `into` with the bytes from `offset` on. */
  read(offset: number, into: Uint8Array): Promise<void>;
  close(): Promise<void>;
}

/** Bytes that are in memory already. */
export function memorySource(name: string, bytes: Uint8Array): ByteSource {
  return {
    name,
    size: bytes.length,
    read: async (offset, into) => into.set(bytes.subarray(offset, offset + into.length)),
    close: async () => undefined,
  };
}
