/** Matrices of 4 bits straight from a .gguf file: what they stand for, and products forward and back. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { gradients } from '../../src/engine/autodiff/index.ts';
import { type Data, input } from '../../src/engine/graph/index.ts';
import { linear, mul, sumAll } from '../../src/engine/ops/index.ts';
import type { Values } from '../../src/engine/runtime/index.ts';
import { fourBitForm, toFourBits } from '../../src/files/gguf/fourBits.ts';
import { openGguf } from '../../src/files/gguf/gguf.ts';
import { memorySource } from '../../src/files/index.ts';
import { storageOf } from '../../src/models/nn/index.ts';
import { goldenFolder, relativeError, runtime } from './fixtures.ts';

const types = new Uint8Array(readFileSync(join(goldenFolder, 'gguf', 'types.gguf')));

/** Some rows of a golden tensor in their own form, and as numbers. The first row of the file has no finite scales. */
async function opened(type: string) {
  const file = await openGguf(memorySource('types.gguf', types));
  const tensor = file.tensors.get(type)!;
  const [rows, width] = tensor.shape as [number, number];
  const values = new Float32Array(rows * width);
  await file.readFloats(tensor, values);
  const kept = { ...tensor, shape: [rows - 1, width] };
  const raw = await file.readRows(tensor, { from: 1, count: rows - 1 });
  return { kept, raw, values: values.subarray(width), rows: rows - 1, width };
}

describe.each([
  ['Q4_0', false],
  ['Q4_1', true],
  ['Q4_K', true],
])('%s', (type, hasOffsets) => {
  test('is a form to keep, with or without offsets', async () => {
    const { kept } = await opened(type);
    expect(fourBitForm(kept)?.hasOffsets).toBe(hasOffsets);
  });

  test('stands for the values that it is read as, in any order of rows', async () => {
    const { kept, raw, values, rows, width } = await opened(type);
    const { nibbles, scales, offsets } = toFourBits(kept, raw, (row) => rows - 1 - row);
    expect(offsets !== undefined).toBe(hasOffsets);
    const found = Float64Array.from({ length: rows * width }, (_, i) => {
      const q = i % 2 ? nibbles[i >> 1]! >> 4 : nibbles[i >> 1]! & 15;
      return scales[i >> 5]! * (q - 8) + (offsets?.[i >> 5] ?? 0);
    });
    const right = Array.from({ length: rows }, (_, row) => values.subarray((rows - 1 - row) * width).slice(0, width));
    expect(
      relativeError(
        found,
        right.flatMap((row) => [...row]),
      ),
    ).toBeLessThan(hasOffsets ? 1e-7 : 1e-30);
  });

  test('multiplies as its values do, forward and back', async () => {
    const { kept, raw, values, rows, width } = await opened(type);
    const { nibbles, scales, offsets } = toFourBits(kept, raw);
    const stored = storageOf('int4', 'w', [rows, width], { ownForms: () => ({ hasOffsets, transposed: false }) })!;
    const x = input('x', 'float32', ['batch', width]);
    const dy = input('dy', 'float32', ['batch', rows]);
    const weight = input('weight', 'float32', [rows, width]);
    const through = (matrix: typeof weight) => {
      const y = linear(x, matrix);
      return { y, dx: gradients(sumAll(mul(y, dy)), [x])[0]! };
    };
    const drawn = (count: number) => Float32Array.from({ length: count }, (_, i) => Math.sin(i * 1.3) * 2);
    const fed = (data: Data, ...shape: number[]) => ({ dtype: 'float32', shape, data }) as const;
    const feeds: Values = {
      x: fed(drawn(5 * width), 5, width),
      dy: fed(drawn(5 * rows), 5, rows),
      weight: fed(values, rows, width),
    };
    const parts = [nibbles, scales, offsets];
    const own = Object.fromEntries(
      stored.leaves.map(({ name, dtype, shape }, i) => [name, { dtype, shape: shape as number[], data: parts[i]! }]),
    );
    const [exact, found] = [through(weight), through(stored.unpacked)];
    // Once fed, once as constants of the model, which ONNX Runtime prepares before the first run.
    await using plain = await runtime.open({ ...exact }, { threads: 1 });
    await using asInputs = await runtime.open({ ...found }, { threads: 1 });
    await using asConstants = await runtime.open({ ...found }, { threads: 1, constants: own });
    const wanted = await plain.run(feeds);
    for (const results of [await asInputs.run({ ...feeds, ...own }), await asConstants.run(feeds)]) {
      for (const name of ['y', 'dx']) {
        const error = relativeError(results[name]!.data as Float32Array, wanted[name]!.data as Float32Array);
        expect(error, name).toBeLessThan(2e-6);
      }
    }
  });
});

test('other types are no such form', async () => {
  for (const type of ['F32', 'Q5_0', 'Q8_0', 'Q6_K']) expect(fourBitForm((await opened(type)).kept)).toBeUndefined();
});
