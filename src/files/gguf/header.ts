/** The part of a .gguf file before the values: metadata by key, and where each tensor lies. */
import { AttuneError } from '../../errors/index.ts';
import type { TensorType } from './block.ts';
import { type Cursor, type NumberType, numberTypes } from './cursor.ts';
import { tensorType } from './tensorTypes.ts';

/** What a key of the metadata stands for. Long integers are numbers where they can be. */
export type MetadataValue = number | bigint | boolean | string | readonly (number | bigint | boolean | string)[];

export interface GgufTensor {
  readonly name: string;
  readonly type: TensorType;
  /** As PyTorch would give it: the last axis is the one whose values lie side by side. */
  readonly shape: readonly number[];
  /** Where its bytes start in the file, and how many there are. */
  readonly offset: number;
  readonly bytes: number;
}

export interface Header {
  readonly version: number;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
}

const MAGIC = 0x46554747; // 'GGUF'
const VERSIONS = [2, 3];
const MOST_KEYS = 1 << 16;
const MOST_TENSORS = 1 << 17;
const MOST_ITEMS = 1 << 24;
const MOST_AXES = 4;
/** Bytes of the smallest key and of the smallest entry of a tensor. */
const KEY_BYTES = 8 + 4 + 1;
const TENSOR_BYTES = 8 + 4 + 4 + 8;

/** By their number in the file. */
const valueTypes: readonly (NumberType | 'bool' | 'string' | 'array')[] = [
  ...(['u8', 'i8', 'u16', 'i16', 'u32', 'i32', 'f32'] as const),
  ...(['bool', 'string', 'array', 'u64', 'i64', 'f64'] as const),
];

export function readHeader(cursor: Cursor): Header {
  const version = readVersion(cursor);
  const tensorCount = checkedCount(cursor, 'tensors', { most: MOST_TENSORS, bytes: TENSOR_BYTES });
  const keyCount = checkedCount(cursor, 'keys', { most: MOST_KEYS, bytes: KEY_BYTES });
  const metadata = new Map<string, MetadataValue>();
  for (let i = 0; i < keyCount; i++) {
    const key = cursor.string(`key ${i}`);
    if (metadata.has(key)) throw cursor.corrupt(`its key '${key}' comes twice`);
    metadata.set(key, readValue(cursor, key));
  }
  const entries = new Map<string, GgufTensor>();
  for (let i = 0; i < tensorCount; i++) {
    const entry = readTensor(cursor, i);
    if (entries.has(entry.name)) throw cursor.corrupt(`its tensor '${entry.name}' comes twice`);
    entries.set(entry.name, entry);
  }
  return { version, metadata, tensors: placed(cursor, entries, alignmentOf(cursor, metadata)) };
}

function readVersion(cursor: Cursor): number {
  const magic = cursor.count('the word GGUF', 'u32');
  if (magic !== MAGIC) throw cursor.corrupt(`it begins with ${hex(magic)}, not with the word GGUF`);
  const version = cursor.count('the version', 'u32');
  if (VERSIONS.includes(version)) return version;
  const isBigEndian = version !== 0 && version % 0x10000 === 0;
  throw new AttuneError({
    code: 'GGUF_UNSUPPORTED',
    where: cursor.where,
    ...(isBigEndian
      ? {
          problem: 'its numbers are big-endian, which is not read',
          fix: 'convert it to little-endian (gguf-py: gguf_convert_endian.py)',
        }
      : {
          problem: `it is of version ${version}; versions ${VERSIONS.join(' and ')} are read`,
          fix: 'convert the model again with a llama.cpp of today, or use the Hugging Face folder of the model',
        }),
  });
}

const hex = (value: number): string => `0x${value.toString(16).padStart(8, '0')}`;

function checkedCount(cursor: Cursor, what: string, { most, bytes }: { most: number; bytes: number }): number {
  const count = cursor.count(`the number of ${what}`);
  const room = Math.min(most, Math.floor(cursor.left() / bytes));
  if (count > room) throw cursor.corrupt(`it claims ${count} ${what}, but at most ${room} can be there`);
  return count;
}

function readValue(cursor: Cursor, key: string): MetadataValue {
  const type = readType(cursor, key);
  return type === 'array' ? readItems(cursor, key) : readPlain(cursor, key, type);
}

function readType(cursor: Cursor, key: string): (typeof valueTypes)[number] {
  const number = cursor.count(`the type of '${key}'`, 'u32');
  const type = valueTypes[number];
  if (!type) throw cursor.corrupt(`its key '${key}' has the type ${number}, which no value has`);
  return type;
}

function readPlain(
  cursor: Cursor,
  key: string,
  type: NumberType | 'bool' | 'string',
): number | bigint | boolean | string {
  if (type === 'string') return cursor.string(`'${key}'`);
  if (type !== 'bool') return cursor.number(`'${key}'`, type);
  const byte = cursor.number(`'${key}'`, 'u8');
  if (byte === 0 || byte === 1) return byte === 1;
  throw cursor.corrupt(`its key '${key}' is ${byte}, not 0 or 1`);
}

function readItems(cursor: Cursor, key: string): readonly (number | bigint | boolean | string)[] {
  const type = readType(cursor, key);
  if (type === 'array') throw cursor.corrupt(`its key '${key}' is a list of lists, which no reader takes`);
  const bytes = type === 'string' ? 8 : type === 'bool' ? 1 : numberTypes[type].bytes;
  const count = checkedCount(cursor, `items in '${key}'`, { most: MOST_ITEMS, bytes });
  const items: (number | bigint | boolean | string)[] = [];
  for (let i = 0; i < count; i++) items.push(readPlain(cursor, key, type));
  return items;
}

/** One entry; its offset still counts from the first tensor. */
function readTensor(cursor: Cursor, index: number): GgufTensor {
  const name = cursor.string(`the name of tensor ${index}`);
  const axes = cursor.count(`the number of axes of tensor '${name}'`, 'u32');
  if (axes > MOST_AXES) throw cursor.corrupt(`tensor '${name}' claims ${axes} axes, at most ${MOST_AXES} can be`);
  const sizes = Array.from({ length: axes }, () => cursor.count(`a size of tensor '${name}'`));
  const type = tensorType(cursor.count(`the type of tensor '${name}'`, 'u32'), name, cursor);
  const offset = cursor.count(`the offset of tensor '${name}'`);
  const values = sizes.reduce((a, b) => a * b, 1);
  if (!Number.isSafeInteger(values) || values < 1) throw cursor.corrupt(`tensor '${name}' has the sizes [${sizes}]`);
  if ((sizes[0] ?? 1) % type.values !== 0) {
    throw cursor.corrupt(
      `tensor '${name}' has rows of ${sizes[0] ?? 1} values; ${type.name} needs multiples of ${type.values}`,
    );
  }
  return { name, type, shape: sizes.toReversed(), offset, bytes: (values / type.values) * type.bytes };
}

function alignmentOf(cursor: Cursor, metadata: Header['metadata']): number {
  const alignment = metadata.get('general.alignment') ?? 32;
  const isPower = typeof alignment === 'number' && Number.isInteger(Math.log2(alignment));
  if (isPower && alignment >= 1 && alignment <= 1 << 20) return alignment;
  throw cursor.corrupt(`its key 'general.alignment' is ${String(alignment).slice(0, 40)}, not a power of 2`);
}

/** With offsets from the start of the file, each of them aligned, inside of it and apart from the others. */
function placed(cursor: Cursor, entries: Map<string, GgufTensor>, alignment: number): Map<string, GgufTensor> {
  const start = Math.ceil(cursor.position() / alignment) * alignment;
  const size = cursor.position() + cursor.left();
  const tensors = [...entries.values()].map((tensor) => {
    if (tensor.offset % alignment !== 0) {
      throw cursor.corrupt(`tensor '${tensor.name}' lies at ${tensor.offset}, not at a multiple of ${alignment}`);
    }
    const end = start + tensor.offset + tensor.bytes;
    if (end > size) throw cursor.corrupt(`tensor '${tensor.name}' ends at byte ${end}, but the file has ${size}`);
    return { ...tensor, offset: start + tensor.offset };
  });
  const sorted = tensors.toSorted((a, b) => a.offset - b.offset);
  sorted.forEach((tensor, i) => {
    const next = sorted[i + 1];
    if (!next || tensor.offset + tensor.bytes <= next.offset) return;
    throw cursor.corrupt(`tensors '${tensor.name}' and '${next.name}' overlap`);
  });
  return new Map(tensors.map((tensor) => [tensor.name, tensor]));
}
