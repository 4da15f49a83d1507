/** What a compiled graph offers, whichever runtime runs it. */
import type { Data, DType, Tensor } from '../graph/index.ts';

/** An array with its type: what goes into and comes out of a session. Row-major. */
export interface Value {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Data;
}
export type Values = Readonly<Record<string, Value>>;

export interface SessionOptions {
  /** Threads that share the work of one operation. */
  readonly threads: number;
  /** Inputs whose values stay what they are: they become part of the model, so that they can be packed once. */
  readonly constants?: Values;
  /** Constants are read as they lie: less memory, and as fast where a product has many rows. */
  readonly unpacked?: boolean;
  /** A file, beginning with this name, that gets the time of each operation; only the C interface writes it. */
  readonly profile?: string;
}

export interface Session extends AsyncDisposable {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  /**
   * Runs the graph. Outputs named in `into` are written there; they must not share memory with a feed. The others are
   * returned in fresh arrays. The event loop may or may not stand still meanwhile; a second run waits for the first.
   */
  run(feeds: Values, into?: Values): Promise<Record<string, Value>>;
}

/** Opens a session over the named outputs of a graph. */
export type OpenSession = (outputs: Readonly<Record<string, Tensor>>, options: SessionOptions) => Promise<Session>;

/** A runtime that was found on this machine. */
export interface Runtime {
  readonly name: string;
  readonly version: string;
  readonly open: OpenSession;
}

/** The fed value of an input, checked against what the graph declares. */
export function feedOf(feeds: Values, name: string): Value {
  const value = feeds[name];
  if (!value) throw new Error(`internal: nothing was fed to input '${name}'`);
  const expected = value.shape.reduce((a, b) => a * b, 1);
  if (value.data.length !== expected) {
    throw new Error(`internal: input '${name}' has ${value.data.length} values for shape [${value.shape}]`);
  }
  return value;
}
