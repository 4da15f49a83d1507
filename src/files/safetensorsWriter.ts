import type { Data, DType } from '../engine/graph/index.ts';

export interface NamedTensor {
  readonly name: string;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: Data;
}

const storedTypes: Readonly<Record<DType, string>> = {
  float32: 'F32',
  int32: 'I32',
  int64: 'I64',
  uint8: 'U8',
  int8: 'I8',
  bool: 'BOOL',
};
const ALIGNMENT = 8;

/**
 * A .safetensors file piece by piece, so that nothing is copied. Tensors stand in the order of their names: the same
 * tensors always give the same bytes.
 */
export function* safetensorsChunks(
  tensors: readonly NamedTensor[],
  metadata: Readonly<Record<string, string>> = { format: 'pt' },
): Generator<Uint8Array> {
  const sorted = tensors.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  let offset = 0;
  const entries = sorted.map(({ name, dtype, shape, data }) => {
    const start = offset;
    offset += data.byteLength;
    return [name, { dtype: storedTypes[dtype], shape, data_offsets: [start, offset] }] as const;
  });
  const text = JSON.stringify({ __metadata__: metadata, ...Object.fromEntries(entries) });
  const json = new TextEncoder().encode(text);
  const header = new Uint8Array(8 + Math.ceil(json.length / ALIGNMENT) * ALIGNMENT).fill(0x20);
  new DataView(header.buffer).setBigUint64(0, BigInt(header.length - 8), true);
  header.set(json, 8);
  yield header;
  for (const { data } of sorted) yield new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
