/**
 * Number types with a scale for each block of 32 values. Above each row stands the layout of a block in bytes. Of a byte
 * with two values the lower half belongs to the first 16 of the block, the upper half to the last 16.
 */
import { blockType, halfAt } from './block.ts';

/** scale 2 · halves 16. value = scale · (q − 8) */
export const Q4_0 = blockType('Q4_0', 32, 18, (raw, at, into, to) => {
  const scale = halfAt(raw, at);
  for (let i = 0; i < 16; i++) {
    const pair = raw[at + 2 + i]!;
    into[to + i] = scale * ((pair & 15) - 8);
    into[to + 16 + i] = scale * ((pair >> 4) - 8);
  }
});

/** scale 2 · lowest 2 · halves 16. value = scale · q + lowest */
export const Q4_1 = blockType('Q4_1', 32, 20, (raw, at, into, to) => {
  const scale = halfAt(raw, at);
  const lowest = halfAt(raw, at + 2);
  for (let i = 0; i < 16; i++) {
    const pair = raw[at + 4 + i]!;
    into[to + i] = scale * (pair & 15) + lowest;
    into[to + 16 + i] = scale * (pair >> 4) + lowest;
  }
});

/** scale 2 · fifth bits 4 · halves 16. value = scale · (q − 16) */
export const Q5_0 = blockType('Q5_0', 32, 22, (raw, at, into, to) => {
  const scale = halfAt(raw, at);
  for (let i = 0; i < 16; i++) {
    const pair = raw[at + 6 + i]!;
    into[to + i] = scale * (((pair & 15) | fifthBit(raw, at + 2, i)) - 16);
    into[to + 16 + i] = scale * (((pair >> 4) | fifthBit(raw, at + 2, i + 16)) - 16);
  }
});

/** scale 2 · lowest 2 · fifth bits 4 · halves 16. value = scale · q + lowest */
export const Q5_1 = blockType('Q5_1', 32, 24, (raw, at, into, to) => {
  const scale = halfAt(raw, at);
  const lowest = halfAt(raw, at + 2);
  for (let i = 0; i < 16; i++) {
    const pair = raw[at + 8 + i]!;
    into[to + i] = scale * ((pair & 15) | fifthBit(raw, at + 4, i)) + lowest;
    into[to + 16 + i] = scale * ((pair >> 4) | fifthBit(raw, at + 4, i + 16)) + lowest;
  }
});

/** Of value `i`, where it stands in a number of 5 bits. */
const fifthBit = (raw: Uint8Array, at: number, i: number): number => ((raw[at + (i >> 3)]! >> (i & 7)) & 1) << 4;

/** scale 2 · int8 32. value = scale · q */
export const Q8_0 = blockType('Q8_0', 32, 34, (raw, at, into, to) => {
  const scale = halfAt(raw, at);
  for (let i = 0; i < 32; i++) into[to + i] = scale * signed(raw[at + 2 + i]!);
});

export const signed = (byte: number): number => (byte << 24) >> 24;
