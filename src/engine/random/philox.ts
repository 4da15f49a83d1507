/**
 * Philox4x32 with 7 rounds, the fewest that pass BigCrush (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * 2011). A pure function of counter and key: any number of a stream can be had without those before it.
 */
export type Words = readonly [number, number, number, number];
const PHILOX_ROUNDS = 7;

const MULTIPLIER_0 = 0xd2511f53;
const MULTIPLIER_1 = 0xcd9e8d57;
const WEYL_0 = 0x9e3779b9;
const WEYL_1 = 0xbb67ae85;

export function philox(counter: Words, key: readonly [number, number], rounds: number = PHILOX_ROUNDS): Words {
  let [a, b, c, d] = counter;
  let [k0, k1] = key;
  for (let round = 0; round < rounds; round++) {
    const high0 = highProduct(MULTIPLIER_0, a);
    const high1 = highProduct(MULTIPLIER_1, c);
    const low0 = Math.imul(MULTIPLIER_0, a) >>> 0;
    const low1 = Math.imul(MULTIPLIER_1, c) >>> 0;
    a = (high1 ^ b ^ k0) >>> 0;
    b = low1;
    c = (high0 ^ d ^ k1) >>> 0;
    d = low0;
    k0 = (k0 + WEYL_0) >>> 0;
    k1 = (k1 + WEYL_1) >>> 0;
  }
  return [a, b, c, d];
}

/** Upper 32 bits of a 32 × 32 bit product. */
function highProduct(x: number, y: number): number {
  const xLow = x & 0xffff;
  const xHigh = x >>> 16;
  const yLow = y & 0xffff;
  const yHigh = y >>> 16;
  const middle = xHigh * yLow + ((xLow * yLow) >>> 16);
  const carry = (middle & 0xffff) + xLow * yHigh;
  return (xHigh * yHigh + Math.floor(middle / 0x10000) + Math.floor(carry / 0x10000)) >>> 0;
}
