/**
 * Number types ("k-quants") in blocks of 256 values, whose parts have small scales of their own under one half-precision
 * scale. Above each row stands the layout of a block in bytes.
 */
import { blockType, halfAt } from './block.ts';
import { signed } from './blocks.ts';

/** scale 2 · scale of lowest 2 · parts 12 · halves 128. Of 8 parts of 32: value = scale·s·q − lowest·m */
export const Q4_K = blockType('Q4_K', 256, 144, (raw, at, into, to) => {
  for (let part = 0; part < 8; part++) {
    const { scale, lowest } = partScales(raw, at, part);
    const [from, shift] = [at + 16 + (part >> 1) * 32, (part & 1) * 4];
    for (let i = 0; i < 32; i++) into[to + part * 32 + i] = scale * ((raw[from + i]! >> shift) & 15) - lowest;
  }
});

/** scale 2 · scale of lowest 2 · parts 12 · fifth bits 32 · halves 128. As Q4_K, with bit `part` of the fifth bits. */
export const Q5_K = blockType('Q5_K', 256, 176, (raw, at, into, to) => {
  for (let part = 0; part < 8; part++) {
    const { scale, lowest } = partScales(raw, at, part);
    const [from, shift] = [at + 48 + (part >> 1) * 32, (part & 1) * 4];
    for (let i = 0; i < 32; i++) {
      const fifth = ((raw[at + 16 + i]! >> part) & 1) << 4;
      into[to + part * 32 + i] = scale * (((raw[from + i]! >> shift) & 15) | fifth) - lowest;
    }
  }
});

/**
 * Twelve bytes hold s and m of 8 parts, 6 bits each. Of parts 0 to 3, s lies in bytes 0 to 3 and m in bytes 4 to 7; of
 * parts 4 to 7, the lower 4 bits lie in bytes 8 to 11 and the upper 2 above those of parts 0 to 3.
 */
export function partScales(raw: Uint8Array, at: number, part: number): { scale: number; lowest: number } {
  const parts = at + 4;
  const column = part & 3;
  const [s, m, mixed] = [raw[parts + column]!, raw[parts + 4 + column]!, raw[parts + 8 + column]!];
  const factor = part < 4 ? s & 63 : (mixed & 15) | ((s >> 6) << 4);
  const offset = part < 4 ? m & 63 : (mixed >> 4) | ((m >> 6) << 4);
  return { scale: halfAt(raw, at) * factor, lowest: halfAt(raw, at + 2) * offset };
}

/** lower halves 128 · upper pairs 64 · int8 scales 16 · scale 2. Of 16 parts of 16: value = scale·s·(q − 32) */
export const Q6_K = blockType('Q6_K', 256, 210, (raw, at, into, to) => {
  const scale = halfAt(raw, at + 208);
  for (let group = 0; group < 8; group++) {
    // Groups of 32; four of them share their bytes.
    const [half, place] = [group >> 2, group & 3];
    const lower = at + half * 64 + (place & 1) * 32;
    const upper = at + 128 + half * 32;
    for (let i = 0; i < 32; i++) {
      const q = ((raw[lower + i]! >> ((place >> 1) * 4)) & 15) | (((raw[upper + i]! >> (place * 2)) & 3) << 4);
      into[to + group * 32 + i] = scale * signed(raw[at + 192 + group * 2 + (i >> 4)]!) * (q - 32);
    }
  }
});
