/**
 * The few loops over whole parameter arrays that must run near memory bandwidth, in AssemblyScript
 * (https://www.assemblyscript.org): TypeScript's syntax, compiled to WebAssembly by `npm run kernels`.
 * Pointers are byte addresses; counts are multiples of 4 floats.
 */

/** AdamW in one pass (https://arxiv.org/abs/1711.05101), written over the weights and moments. */
export function adamW(
  weight: usize, gradient: usize, mean: usize, square: usize, count: usize,
  beta1: f32, beta2: f32, epsilon: f32, gradientScale: f32, decay: f32, stepSize: f32, inverseSquareCorrection: f32,
): void {
  const keepMean = f32x4.splat(beta1), addMean = f32x4.splat((1 - beta1) * gradientScale);
  const keepSquare = f32x4.splat(beta2), addSquare = f32x4.splat((1 - beta2) * gradientScale * gradientScale);
  const eps = f32x4.splat(epsilon), keepWeight = f32x4.splat(decay);
  const step = f32x4.splat(stepSize), correction = f32x4.splat(inverseSquareCorrection);
  for (let at: usize = 0, end = count << 2; at < end; at += 16) {
    const g = v128.load(gradient + at);
    const m = f32x4.add(f32x4.mul(v128.load(mean + at), keepMean), f32x4.mul(g, addMean));
    const v = f32x4.add(f32x4.mul(v128.load(square + at), keepSquare), f32x4.mul(f32x4.mul(g, g), addSquare));
    v128.store(mean + at, m);
    v128.store(square + at, v);
    const denominator = f32x4.add(f32x4.mul(f32x4.sqrt(v), correction), eps);
    const kept = f32x4.mul(v128.load(weight + at), keepWeight);
    v128.store(weight + at, f32x4.sub(kept, f32x4.div(f32x4.mul(m, step), denominator)));
  }
}

/** Σ x² in double precision. */
export function sumOfSquares(x: usize, count: usize): f64 {
  let low = f64x2.splat(0), high = f64x2.splat(0);
  for (let at: usize = 0, end = count << 2; at < end; at += 16) {
    const value = v128.load(x + at);
    const a = f64x2.promote_low_f32x4(value);
    const b = f64x2.promote_low_f32x4(v128.shuffle<f32>(value, value, 2, 3, 2, 3));
    low = f64x2.add(low, f64x2.mul(a, a));
    high = f64x2.add(high, f64x2.mul(b, b));
  }
  const both = f64x2.add(low, high);
  return f64x2.extract_lane(both, 0) + f64x2.extract_lane(both, 1);
}

/** into += from */
export function accumulate(into: usize, from: usize, count: usize): void {
  for (let at: usize = 0, end = count << 2; at < end; at += 16) {
    v128.store(into + at, f32x4.add(v128.load(into + at), v128.load(from + at)));
  }
}

// One register per word of four Philox4x32 blocks.
let a: v128 = i32x4.splat(0), b: v128 = i32x4.splat(0), c: v128 = i32x4.splat(0), d: v128 = i32x4.splat(0);

function philox(first: u32, group: u32, part: u32, key0: u32, key1: u32): void {
  a = i32x4.add(i32x4.splat(first), i32x4(0, 1, 2, 3));
  b = i32x4.splat(0);
  c = i32x4.splat(group);
  d = i32x4.splat(part);
  const m0 = i32x4.splat(0xd2511f53), m1 = i32x4.splat(0xcd9e8d57);
  for (let round = 0; round < 7; round++) {
    const p0 = i64x2.extmul_low_i32x4_u(a, m0), p1 = i64x2.extmul_high_i32x4_u(a, m0);
    const q0 = i64x2.extmul_low_i32x4_u(c, m1), q1 = i64x2.extmul_high_i32x4_u(c, m1);
    const nextA = v128.xor(v128.xor(v128.shuffle<i32>(q0, q1, 1, 3, 5, 7), b), i32x4.splat(key0));
    const nextC = v128.xor(v128.xor(v128.shuffle<i32>(p0, p1, 1, 3, 5, 7), d), i32x4.splat(key1));
    b = v128.shuffle<i32>(q0, q1, 0, 2, 4, 6);
    d = v128.shuffle<i32>(p0, p1, 0, 2, 4, 6);
    a = nextA;
    c = nextC;
    key0 += 0x9e3779b9;
    key1 += 0xbb67ae85;
  }
}

/**
 * Ones and zeros in bytes, 64 of them for each four blocks of the stream; counts are multiples of 64. A byte of the
 * stream below the threshold makes a zero. The threshold is `whole` or one more, so that a share of
 * (whole + fraction / 2^32) / 256 comes out over all blocks.
 */
export function dropoutMask(
  out: usize, count: usize, key0: u32, key1: u32, group: u32, part: u32, whole: u32, fraction: u32,
): void {
  let block: u32 = 0, rest: u64 = 0;
  const one = i8x16.splat(1);
  for (let at: usize = 0; at < count; at += 64, block += 4) {
    philox(block, group, part, key0, key1);
    rest += fraction;
    const limit = i8x16.splat(i8(whole + u32(rest >> 32)));
    rest &= 0xffffffff;
    v128.store(out + at, v128.and(i8x16.ge_u(a, limit), one));
    v128.store(out + at + 16, v128.and(i8x16.ge_u(b, limit), one));
    v128.store(out + at + 32, v128.and(i8x16.ge_u(c, limit), one));
    v128.store(out + at + 48, v128.and(i8x16.ge_u(d, limit), one));
  }
}
