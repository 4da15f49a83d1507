/**
 * Matrices of 4 or 8 bits as ONNX Runtime multiplies with them, straight from a file's own blocks: nothing is rounded again.
 * Each 32 neighbours of a row have a scale and perhaps an offset: value = scale·(q − 8) + offset, or scale·(q − 128).
 */
import type { OwnBlocks, OwnForm } from '../checkpoint.ts';
import { halfAt } from './block.ts';
import type { GgufTensor } from './header.ts';
import { partScales } from './superBlocks.ts';

const BLOCK = 32;

/** Of one block of a file: 32 numbers at a time, with their scale and offset. */
type Split = (raw: Uint8Array, at: number, put: (q: Uint8Array, scale: number, offset: number) => void) => void;

/** Of 16 bytes the lower halves come first, then the upper ones. */
function halves(raw: Uint8Array, at: number): Uint8Array {
  const q = new Uint8Array(BLOCK);
  for (let i = 0; i < BLOCK / 2; i++) {
    q[i] = raw[at + i]! & 15;
    q[i + BLOCK / 2] = raw[at + i]! >> 4;
  }
  return q;
}

interface Form extends Pick<OwnForm, 'bits' | 'hasOffsets'> {
  readonly split: Split;
}

/** Types that can be split so. From (scale, lowest) to (scale, offset): q counts from 8 here. */
const forms: Readonly<Record<string, Form>> = {
  Q4_0: { bits: 4, hasOffsets: false, split: (raw, at, put) => put(halves(raw, at + 2), halfAt(raw, at), 0) },
  Q4_1: {
    bits: 4,
    hasOffsets: true,
    split(raw, at, put) {
      const scale = halfAt(raw, at);
      put(halves(raw, at + 4), scale, halfAt(raw, at + 2) + 8 * scale);
    },
  },
  Q4_K: {
    bits: 4,
    hasOffsets: true,
    split(raw, at, put) {
      for (let part = 0; part < 8; part++) {
        const { scale, lowest } = partScales(raw, at, part);
        const [from, shift] = [at + 16 + (part >> 1) * BLOCK, (part & 1) * 4];
        const q = Uint8Array.from({ length: BLOCK }, (_, i) => (raw[from + i]! >> shift) & 15);
        put(q, scale, 8 * scale - lowest);
      }
    },
  },
  // Signed in the file.
  Q8_0: {
    bits: 8,
    hasOffsets: false,
    split: (raw, at, put) =>
      put(
        raw.slice(at + 2, at + 2 + BLOCK).map((byte) => byte ^ 128),
        halfAt(raw, at),
        0,
      ),
  },
};

/** What a tensor is kept in; undefined where that is no such form. */
export function ownForm({ type, shape }: GgufTensor): Form | undefined {
  return shape.length === 2 && Object.hasOwn(forms, type.name) ? forms[type.name] : undefined;
}

/** `row` says which stored row becomes which. */
export function toOwnBlocks({ type, shape }: GgufTensor, raw: Uint8Array, row = (to: number) => to): OwnBlocks {
  const { bits, hasOffsets, split } = forms[type.name]!;
  const [rows, width] = shape as [number, number];
  const blocks = width / BLOCK;
  const values = new Uint8Array((rows * width * bits) / 8);
  const scales = new Float32Array(rows * blocks);
  const offsets = new Float32Array(hasOffsets ? scales.length : 0);
  const stride = raw.length / rows;
  for (let to = 0; to < rows; to++) {
    let block = 0;
    const put = (q: Uint8Array, scale: number, offset: number): void => {
      const at = to * blocks + block;
      if (bits === 8) values.set(q, at * BLOCK);
      else for (let i = 0; i < BLOCK / 2; i++) values[at * (BLOCK / 2) + i] = q[2 * i]! | (q[2 * i + 1]! << 4);
      scales[at] = scale;
      if (hasOffsets) offsets[block * rows + to] = offset;
      block += 1;
    };
    const start = row(to) * stride;
    for (let at = start; at < start + stride; at += type.bytes) split(raw, at, put);
  }
  return hasOffsets ? { values, scales, offsets } : { values, scales };
}
