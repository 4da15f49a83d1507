import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { philox, stream } from '../random/index.ts';
import { FIRST_ADDRESS, openKernels } from './index.ts';

const COUNT = 64;

interface Block {
  readonly data: Float32Array;
  readonly address: number;
}

/** Arrays of COUNT floats, one after the other, and the address of each. */
function arrays(kernels: ReturnType<typeof openKernels>, names: number): Block[] {
  return Array.from({ length: names }, (_, i) => {
    const address = FIRST_ADDRESS + i * COUNT * 4;
    const data = new Float32Array(kernels.memory.buffer, address, COUNT);
    data.forEach((__, k) => {
      data[k] = Math.sin(i * 100 + k * 1.7);
    });
    return { data, address };
  });
}

test('the generated module is what the source compiles to', () => {
  execFileSync(process.execPath, ['tools/kernels.mjs', '--check'], { stdio: 'pipe' });
});

test('adamW follows the formula', () => {
  const kernels = openKernels(1 << 16);
  const [weight, gradient, mean, square] = arrays(kernels, 4) as [Block, Block, Block, Block];
  const v = square.data.map(Math.abs);
  square.data.set(v);
  const before = [weight, gradient, mean, square].map(({ data }) => Float64Array.from(data));
  const rates = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, gradientScale: 0.5, decay: 0.999 };
  const corrections = { stepSize: 0.01, inverseSquareCorrection: 1.3 };
  kernels.adamW({
    weight: weight.address,
    gradient: gradient.address,
    mean: mean.address,
    square: square.address,
    count: COUNT,
    ...rates,
    ...corrections,
  });
  for (let i = 0; i < COUNT; i++) {
    const [w, g, m, s] = before.map((data) => data[i]!) as [number, number, number, number];
    const newMean = 0.9 * m + 0.1 * 0.5 * g;
    const newSquare = 0.99 * s + 0.01 * (0.5 * g) ** 2;
    expect(mean.data[i]).toBeCloseTo(newMean, 6);
    expect(square.data[i]).toBeCloseTo(newSquare, 6);
    expect(weight.data[i]).toBeCloseTo(w * 0.999 - (0.01 * newMean) / (Math.sqrt(newSquare) * 1.3 + 1e-8), 6);
  }
});

test('sumOfSquares and accumulate', () => {
  const kernels = openKernels(1 << 16);
  const [x, y] = arrays(kernels, 2);
  const expected = x!.data.reduce((total, value) => total + value * value, 0);
  expect(kernels.sumOfSquares(x!.address, COUNT)).toBeCloseTo(expected, 6);
  const sums = x!.data.map((value, i) => value + y!.data[i]!);
  kernels.accumulate(x!.address, y!.address, COUNT);
  expect(x!.data).toEqual(sums);
});

test('dropout masks are the bytes of the Philox stream of their key against the rate', () => {
  const kernels = openKernels(1 << 20);
  const { key } = stream(5, 'dropout test');
  const rate = 25.75 / 256;
  const count = 640_000;
  kernels.dropoutMask({ out: FIRST_ADDRESS, count, key, group: 9, part: 2, rate });
  const mask = new Uint8Array(kernels.memory.buffer, FIRST_ADDRESS, count);
  let sum = 0;
  for (let element = 0; element < 640; element++) {
    // Of four blocks side by side: the first words of all, then the second words.
    const round = Math.floor(element / 64);
    const block = 4 * round + ((element % 16) >> 2);
    const word = philox([block, 0, 9, 2], key)[(element % 64) >> 4]!;
    const byte = (word >>> (8 * (element % 4))) & 255;
    // 25.75 of 256: three rounds out of four have one more.
    const limit = Math.floor((round + 1) * 25.75) - Math.floor(round * 25.75);
    expect(mask[element], `element ${element}`).toBe(byte >= limit ? 1 : 0);
  }
  for (const kept of mask) sum += kept;
  expect(Math.abs(sum / count - 1 + rate)).toBeLessThan(0.001);
});
