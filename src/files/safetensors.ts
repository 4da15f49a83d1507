/**
 * Reads .safetensors: an 8-byte length, a JSON header, then raw values (https://github.com/huggingface/safetensors).
 * The file is hostile until its header was checked: lengths, types, shapes, ranges and overlaps.
 */
import { AttuneError } from '../errors/index.ts';
import type { ByteSource } from './bytes.ts';
import { toFloat32 } from './floats.ts';

/** Bytes of one value of each type that is read. */
const widths = { F64: 8, F32: 4, F16: 2, BF16: 2, I64: 8, I32: 4, I16: 2, I8: 1, U8: 1, BOOL: 1 } as const;
export type StoredType = keyof typeof widths;
/** Types that the format has too, mostly of models that were rounded to few bits. */
const unread = new Set([
  ...['F8_E4M3', 'F8_E5M2', 'F8_E8M0', 'F8_E4M3FNUZ', 'F8_E5M2FNUZ', 'F6_E2M3', 'F6_E3M2', 'F4'],
  ...['U16', 'U32', 'U64', 'C64'],
]);
const MAX_HEADER_BYTES = 100_000_000;
const LENGTH_BYTES = 8;

export interface StoredTensor {
  readonly name: string;
  readonly dtype: StoredType;
  readonly shape: readonly number[];
  /** Where its bytes start in the file, and how many there are. */
  readonly offset: number;
  readonly bytes: number;
}

export interface Safetensors {
  /** What errors call it. */
  readonly name: string;
  readonly tensors: ReadonlyMap<string, StoredTensor>;
  readonly metadata: Readonly<Record<string, string>>;
  /** Equal for the same unchanged file; undefined where nothing tells. */
  readonly identity: string | undefined;
  /** The values as float32, written into `into` where it is given. */
  readFloats(name: string, into?: Float32Array): Promise<Float32Array>;
  /** As many of them as `into` has places for, from number `first` on. */
  readSome(name: string, first: number, into: Float32Array): Promise<Float32Array>;
  close(): Promise<void>;
}

/** Takes over the source: it is closed with the file, or at once where the file has a fault. */
export async function openSafetensors(source: ByteSource): Promise<Safetensors> {
  try {
    return await checkedFile(source);
  } catch (failure) {
    await source.close();
    throw failure;
  }
}

async function checkedFile(source: ByteSource): Promise<Safetensors> {
  const { header, start } = await readHeader(source);
  const { __metadata__: metadata = {}, ...entries } = header;
  const tensors = new Map<string, StoredTensor>();
  for (const [name, entry] of Object.entries(entries)) tensors.set(name, checkEntry(source, { name, entry, start }));
  refuseOverlaps(source, [...tensors.values()]);
  const known = (name: string): StoredTensor => {
    const tensor = tensors.get(name);
    if (!tensor) throw new Error(`internal: a tensor was read that ${source.name} does not have`);
    return tensor;
  };
  return {
    name: source.name,
    tensors,
    metadata: metadata as Record<string, string>,
    identity: source.identity,
    readFloats: (name, into) => readFloats(source, known(name), into),
    readSome: (name, first, into) => readSome(source, known(name), { first, into }),
    close: () => source.close(),
  };
}

function corrupt(source: ByteSource, problem: string): AttuneError {
  return new AttuneError({
    code: 'SAFETENSORS_CORRUPT',
    where: source.name,
    problem,
    fix: 'fetch or copy the file again; it was cut short, or is not a .safetensors file',
  });
}

function wrongType(source: ByteSource, name: string, dtype: unknown): AttuneError {
  if (typeof dtype !== 'string' || !unread.has(dtype)) {
    return corrupt(source, `tensor '${name}' has the type ${JSON.stringify(dtype)}, which the format does not have`);
  }
  return new AttuneError({
    code: 'SAFETENSORS_UNSUPPORTED',
    where: `${source.name} '${name}'`,
    problem: `it is stored as ${dtype}, which is not read`,
    fix: 'use a copy of the model in bf16, fp16 or fp32',
  });
}

async function readHeader(source: ByteSource): Promise<{ header: Record<string, unknown>; start: number }> {
  if (source.size < LENGTH_BYTES) throw corrupt(source, `it has ${source.size} bytes, fewer than the smallest header`);
  const lengthBytes = new Uint8Array(LENGTH_BYTES);
  await source.read(0, lengthBytes);
  const length = Number(new DataView(lengthBytes.buffer).getBigUint64(0, true));
  const room = Math.min(MAX_HEADER_BYTES, source.size - LENGTH_BYTES);
  if (length > room) throw corrupt(source, `its header claims ${length} bytes, but at most ${room} can be there`);
  const bytes = new Uint8Array(length);
  await source.read(LENGTH_BYTES, bytes);
  const header = parseHeader(bytes);
  if (!header) throw corrupt(source, 'its header is not a JSON object');
  return { header, start: LENGTH_BYTES + length };
}

function parseHeader(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const header: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
    return typeof header === 'object' && header !== null && !Array.isArray(header)
      ? (header as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

function checkEntry(
  source: ByteSource,
  { name, entry, start }: { name: string; entry: unknown; start: number },
): StoredTensor {
  const { dtype, shape, data_offsets: range } = (entry ?? {}) as Record<string, unknown>;
  if (typeof dtype !== 'string' || !Object.hasOwn(widths, dtype)) throw wrongType(source, name, dtype);
  if (!Array.isArray(shape) || !shape.every(isCount)) throw corrupt(source, `tensor '${name}' has no proper shape`);
  if (!Array.isArray(range) || range.length !== 2 || !range.every(isCount)) {
    throw corrupt(source, `tensor '${name}' has no proper data_offsets`);
  }
  const [from, to] = range as [number, number];
  const bytes = shape.reduce((a, b) => a * b, widths[dtype as StoredType]);
  if (to - from !== bytes) {
    throw corrupt(source, `tensor '${name}' of ${dtype}[${shape}] needs ${bytes} bytes, its offsets give ${to - from}`);
  }
  if (start + to > source.size) {
    throw corrupt(source, `tensor '${name}' ends at byte ${start + to}, but the file has ${source.size}`);
  }
  return { name, dtype: dtype as StoredType, shape, offset: start + from, bytes };
}

function refuseOverlaps(source: ByteSource, tensors: readonly StoredTensor[]): void {
  const sorted = tensors.filter(({ bytes }) => bytes > 0).sort((a, b) => a.offset - b.offset);
  sorted.forEach((tensor, i) => {
    const next = sorted[i + 1];
    if (next && tensor.offset + tensor.bytes > next.offset) {
      throw corrupt(source, `tensors '${tensor.name}' and '${next.name}' overlap`);
    }
  });
}

function readFloats(source: ByteSource, tensor: StoredTensor, into?: Float32Array): Promise<Float32Array> {
  const count = tensor.bytes / widths[tensor.dtype];
  const target = into ?? new Float32Array(count);
  if (target.length !== count) throw new Error(`internal: '${tensor.name}' has ${count} values, not ${target.length}`);
  return readSome(source, tensor, { first: 0, into: target });
}

async function readSome(
  source: ByteSource,
  { dtype, offset }: StoredTensor,
  { first, into }: { first: number; into: Float32Array },
): Promise<Float32Array> {
  const start = offset + first * widths[dtype];
  if (dtype === 'F32') {
    await source.read(start, new Uint8Array(into.buffer, into.byteOffset, into.byteLength));
    return into;
  }
  const raw = new Uint8Array(into.length * widths[dtype]);
  await source.read(start, raw);
  toFloat32(raw, dtype, into);
  return into;
}
