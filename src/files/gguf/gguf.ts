/**
 * Reads .gguf, the files of llama.cpp: metadata and tensors, most of them in few bits
 * (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md). The file is hostile until its header was checked; of the
 * values only what is asked for is read, a piece at a time.
 */
import type { ByteSource } from '../bytes.ts';
import { corruptFile, needsMore, openCursor } from './cursor.ts';
import { type GgufTensor, type Header, readHeader } from './header.ts';

export interface Gguf extends Header {
  /** What errors call it. */
  readonly name: string;
  /** Equal for the same unchanged file; undefined where nothing tells. */
  readonly identity: string | undefined;
  /** The stored bytes of some rows of a tensor; a row is the last axis. */
  readRows(tensor: GgufTensor, rows?: { from: number; count: number }): Promise<Uint8Array>;
  /** The values as float32, in the order in which they lie. */
  readFloats(tensor: GgufTensor, into: Float32Array): Promise<void>;
  close(): Promise<void>;
}

const FIRST_WINDOW = 1 << 20;
const LONGEST_HEADER = 1 << 26;
const PIECE = 1 << 22;

/** Takes over the source: it is closed with the file, or at once where the file has a fault. */
export async function openGguf(source: ByteSource): Promise<Gguf> {
  try {
    const header = await headerOf(source);
    return {
      ...header,
      name: source.name,
      identity: source.identity,
      readRows: (tensor, rows) => readRows(source, tensor, rows),
      readFloats: (tensor, into) => readFloats(source, tensor, into),
      close: () => source.close(),
    };
  } catch (failure) {
    await source.close();
    throw failure;
  }
}

/** How long a header is, nobody says: a window that is too short is made eight times as long. */
async function headerOf(source: ByteSource): Promise<Header> {
  for (let length = FIRST_WINDOW; ; length *= 8) {
    const window = new Uint8Array(Math.min(length, LONGEST_HEADER, source.size));
    await source.read(0, window);
    try {
      return readHeader(openCursor(window, source));
    } catch (failure) {
      if (failure !== needsMore) throw failure;
      if (length >= LONGEST_HEADER) throw corruptFile(source.name, `its header is longer than ${LONGEST_HEADER} bytes`);
    }
  }
}

async function readRows(
  source: ByteSource,
  { shape, bytes, offset }: GgufTensor,
  rows?: { from: number; count: number },
): Promise<Uint8Array> {
  const rowBytes = bytes / shape.slice(0, -1).reduce((a, b) => a * b, 1);
  const raw = new Uint8Array(rows ? rows.count * rowBytes : bytes);
  await source.read(offset + (rows?.from ?? 0) * rowBytes, raw);
  return raw;
}

async function readFloats(source: ByteSource, tensor: GgufTensor, into: Float32Array): Promise<void> {
  const { type, offset, bytes, name } = tensor;
  const count = (bytes / type.bytes) * type.values;
  if (into.length !== count) throw new Error(`internal: '${name}' has ${count} values, not ${into.length}`);
  if (type.name === 'F32') {
    await source.read(offset, new Uint8Array(into.buffer, into.byteOffset, into.byteLength));
    return;
  }
  const blocksAtOnce = Math.floor(PIECE / type.bytes);
  const raw = new Uint8Array(Math.min(bytes, blocksAtOnce * type.bytes));
  for (let at = 0, to = 0; at < bytes; at += raw.length, to += blocksAtOnce * type.values) {
    const piece = raw.subarray(0, Math.min(raw.length, bytes - at));
    await source.read(offset + at, piece);
    type.toFloats(piece, into.subarray(to, to + (piece.length / type.bytes) * type.values));
  }
}
