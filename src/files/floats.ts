/** Stored number types as float32. */
import type { StoredType } from './safetensors.ts';

/** Writes raw little-endian values of a type into `into`, which has one place for each. */
export function toFloat32(raw: Uint8Array, dtype: StoredType, into: Float32Array): void {
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const read = readers[dtype];
  for (let i = 0; i < into.length; i++) into[i] = read(view, i);
}

const bits = new Float32Array(1);
const bitsAsInteger = new Uint32Array(bits.buffer);

const readers: Record<StoredType, (view: DataView, index: number) => number> = {
  F64: (view, i) => view.getFloat64(i * 8, true),
  F32: (view, i) => view.getFloat32(i * 4, true),
  F16: (view, i) => halfToFloat(view.getUint16(i * 2, true)),
  BF16: (view, i) => {
    bitsAsInteger[0] = view.getUint16(i * 2, true) << 16;
    return bits[0]!;
  },
  I64: (view, i) => Number(view.getBigInt64(i * 8, true)),
  I32: (view, i) => view.getInt32(i * 4, true),
  I16: (view, i) => view.getInt16(i * 2, true),
  I8: (view, i) => view.getInt8(i),
  U8: (view, i) => view.getUint8(i),
  BOOL: (view, i) => view.getUint8(i),
};

/** IEEE 754 binary16: 1 sign, 5 exponent and 10 fraction bits. */
export function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
