/** A text of some size, read in pieces: a file, an upload in a browser, a string. It can be read more than once. */
export interface TextSource {
  /** The name that problems show; its ending says the format. */
  readonly name: string;
  chunks(): AsyncIterable<Uint8Array>;
}

/** A text that is in memory already. */
export function textSource(name: string, content: string | Uint8Array): TextSource {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  return {
    name,
    async *chunks() {
      yield bytes;
    },
  };
}
