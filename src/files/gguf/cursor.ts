/** Reads what a header holds, one thing after the other, and believes no length that the file has no bytes for. */
import { AttuneError } from '../../errors/index.ts';

/** The window ends before the file does: the same is to be read again from a larger one. */
export const needsMore = Symbol('needs more bytes');

/** Names of tokens and templates of conversations are far shorter. */
const LONGEST_STRING = 1 << 24;

export interface Cursor {
  /** The file, as errors call it. */
  readonly where: string;
  position(): number;
  /** How many bytes of the file are left. */
  left(): number;
  /** Reads one number. `what` is what errors call it. */
  number(what: string, type: NumberType): number | bigint;
  /** A count, a size or an offset. */
  count(what: string, type?: 'u32' | 'u64'): number;
  string(what: string): string;
  corrupt(problem: string): AttuneError;
}

export const numberTypes = {
  u8: { bytes: 1, read: (view: DataView, at: number) => view.getUint8(at) },
  i8: { bytes: 1, read: (view: DataView, at: number) => view.getInt8(at) },
  u16: { bytes: 2, read: (view: DataView, at: number) => view.getUint16(at, true) },
  i16: { bytes: 2, read: (view: DataView, at: number) => view.getInt16(at, true) },
  u32: { bytes: 4, read: (view: DataView, at: number) => view.getUint32(at, true) },
  i32: { bytes: 4, read: (view: DataView, at: number) => view.getInt32(at, true) },
  f32: { bytes: 4, read: (view: DataView, at: number) => view.getFloat32(at, true) },
  u64: { bytes: 8, read: (view: DataView, at: number) => plain(view.getBigUint64(at, true)) },
  i64: { bytes: 8, read: (view: DataView, at: number) => plain(view.getBigInt64(at, true)) },
  f64: { bytes: 8, read: (view: DataView, at: number) => view.getFloat64(at, true) },
} as const satisfies Record<string, { bytes: number; read(view: DataView, at: number): number | bigint }>;

export type NumberType = keyof typeof numberTypes;

/** A number where it can be one. */
function plain(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** Over the first bytes of a file of `size` bytes. Throws `needsMore` where they do not reach. */
export function openCursor(
  window: Uint8Array,
  { name, size }: { readonly name: string; readonly size: number },
): Cursor {
  const view = new DataView(window.buffer, window.byteOffset, window.byteLength);
  // A token may be the byte order mark itself, which a decoder leaves out unless it is told.
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
  let position = 0;
  const corrupt = (problem: string): AttuneError => corruptFile(name, problem);
  const take = (what: string, bytes: number): number => {
    const from = position;
    if (from + bytes > size) throw corrupt(`it ends at byte ${size}, inside ${what}, which needs ${bytes} bytes`);
    if (from + bytes > window.length) throw needsMore;
    position += bytes;
    return from;
  };
  const number: Cursor['number'] = (what, type) => numberTypes[type].read(view, take(what, numberTypes[type].bytes));
  const count: Cursor['count'] = (what, type = 'u64') => {
    const value = number(what, type);
    if (typeof value === 'number') return value;
    throw corrupt(`${what} is ${value}`);
  };
  return {
    where: name,
    position: () => position,
    left: () => size - position,
    number,
    count,
    corrupt,
    string(what) {
      const bytes = count(`the length of ${what}`);
      if (bytes > LONGEST_STRING) throw corrupt(`${what} claims to be ${bytes} bytes long`);
      const from = take(what, bytes);
      try {
        return decoder.decode(window.subarray(from, position));
      } catch {
        throw corrupt(`${what} is not UTF-8`);
      }
    },
  };
}

export function corruptFile(name: string, problem: string): AttuneError {
  return new AttuneError({
    code: 'GGUF_CORRUPT',
    where: name,
    problem,
    fix: 'fetch or copy the file again; it was cut short, or is not a .gguf file',
  });
}
