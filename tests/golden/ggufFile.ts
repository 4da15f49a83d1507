/** Writes small .gguf files for tests, right ones and wrong ones. */
type Plain = number | bigint | string | boolean;
export type Entry =
  | readonly [type: keyof typeof numbers | 'bool' | 'string', value: Plain]
  | readonly [type: 'array', of: keyof typeof numbers | 'bool' | 'string', values: readonly Plain[]];

export interface WrittenTensor {
  readonly name: string;
  /** The number of its type; 0 is F32. */
  readonly type?: number;
  /** As PyTorch gives it. */
  readonly shape: readonly (number | bigint)[];
  readonly bytes: Uint8Array;
  /** Left out: behind the one before. */
  readonly offset?: number | bigint;
}

export interface WrittenFile {
  readonly metadata?: Readonly<Record<string, Entry>> | readonly (readonly [string, Entry])[];
  readonly tensors?: readonly WrittenTensor[];
  readonly version?: number;
  readonly keyCount?: number | bigint;
  readonly tensorCount?: number | bigint;
  readonly alignment?: number;
}

const numbers = {
  u8: [0, 1, (view: DataView, value: number) => view.setUint8(0, value)],
  i8: [1, 1, (view: DataView, value: number) => view.setInt8(0, value)],
  u16: [2, 2, (view: DataView, value: number) => view.setUint16(0, value, true)],
  i16: [3, 2, (view: DataView, value: number) => view.setInt16(0, value, true)],
  u32: [4, 4, (view: DataView, value: number) => view.setUint32(0, value, true)],
  i32: [5, 4, (view: DataView, value: number) => view.setInt32(0, value, true)],
  f32: [6, 4, (view: DataView, value: number) => view.setFloat32(0, value, true)],
  u64: [10, 8, (view: DataView, value: number | bigint) => view.setBigUint64(0, BigInt(value), true)],
  i64: [11, 8, (view: DataView, value: number | bigint) => view.setBigInt64(0, BigInt(value), true)],
  f64: [12, 8, (view: DataView, value: number) => view.setFloat64(0, value, true)],
} as const;
const codes: Readonly<Record<string, number>> = { bool: 7, string: 8, array: 9 };
const codeOf = (type: string): number => codes[type] ?? numbers[type as keyof typeof numbers][0];

export function ggufFile({ metadata = {}, tensors = [], alignment = 32, ...claims }: WrittenFile): Uint8Array {
  const pieces: Uint8Array[] = [];
  const number = (type: keyof typeof numbers, value: number | bigint): void => {
    const [, bytes, write] = numbers[type];
    const view = new DataView(new ArrayBuffer(bytes));
    (write as (view: DataView, value: number | bigint) => void)(view, value);
    pieces.push(new Uint8Array(view.buffer));
  };
  const string = (text: string): void => {
    const bytes = new TextEncoder().encode(text);
    number('u64', bytes.length);
    pieces.push(bytes);
  };
  const plain = (type: string, value: Plain): void => {
    if (type === 'string') string(value as string);
    else if (type === 'bool') number('u8', value ? 1 : 0);
    else number(type as keyof typeof numbers, value as number);
  };
  const entries = (Array.isArray(metadata) ? metadata : Object.entries(metadata)) as [string, Entry][];
  pieces.push(new TextEncoder().encode('GGUF'));
  number('u32', claims.version ?? 3);
  number('u64', claims.tensorCount ?? tensors.length);
  number('u64', claims.keyCount ?? entries.length);
  for (const [key, [type, value, values]] of entries) {
    string(key);
    number('u32', codeOf(type));
    if (type !== 'array') {
      plain(type, value);
      continue;
    }
    number('u32', codeOf(value as string));
    number('u64', values!.length);
    for (const item of values!) plain(value as string, item);
  }
  let offset = 0;
  for (const tensor of tensors) {
    string(tensor.name);
    number('u32', tensor.shape.length);
    for (const size of tensor.shape.toReversed()) number('u64', size);
    number('u32', tensor.type ?? 0);
    number('u64', tensor.offset ?? offset);
    offset += padded(tensor.bytes.length, alignment);
  }
  const header = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const file = new Uint8Array(padded(header, alignment) + offset);
  let at = 0;
  for (const piece of pieces) {
    file.set(piece, at);
    at += piece.length;
  }
  at = padded(header, alignment);
  for (const { bytes } of tensors) {
    file.set(bytes, at);
    at += padded(bytes.length, alignment);
  }
  return file;
}

const padded = (bytes: number, alignment: number): number => Math.ceil(bytes / alignment) * alignment;

export const floatBytes = (...values: number[]): Uint8Array => new Uint8Array(Float32Array.from(values).buffer);
