/** Matrices of 4 and 8 bits straight from a .gguf file: what they stand for, and products forward and back. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { gradients } from '../../src/engine/autodiff/index.ts';
import { type Data, input } from '../../src/engine/graph/index.ts';
import { gather, linear, mul, sumAll, vocabularyNormaliser } from '../../src/engine/ops/index.ts';
import type { Values } from '../../src/engine/runtime/index.ts';
import { openGguf } from '../../src/files/gguf/gguf.ts';
import { ownForm, toOwnBlocks } from '../../src/files/gguf/ownBlocks.ts';
import { memorySource } from '../../src/files/index.ts';
import { storageOf, tableStorage } from '../../src/models/nn/index.ts';
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
    expect(ownForm(kept)?.hasOffsets).toBe(hasOffsets);
  });

  test('stands for the values that it is read as, in any order of rows', async () => {
    const { kept, raw, values, rows, width } = await opened(type);
    const { values: nibbles, scales, offsets } = toOwnBlocks(kept, raw, (row) => rows - 1 - row);
    expect(offsets !== undefined).toBe(hasOffsets);
    const found = Float64Array.from({ length: rows * width }, (_, i) => {
      const q = i % 2 ? nibbles[i >> 1]! >> 4 : nibbles[i >> 1]! & 15;
      const [row, block] = [Math.floor(i / width), Math.floor((i % width) / 32)];
      return scales[i >> 5]! * (q - 8) + (offsets?.[block * rows + row] ?? 0);
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
    const { values: nibbles, scales, offsets } = toOwnBlocks(kept, raw);
    const stored = storageOf('int4', 'w', [rows, width], {
      ownForms: () => ({ bits: 4, hasOffsets, transposed: false }),
    })!;
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

test('Q8_0: a table of bytes is read by rows, scores tokens, and rounds where it may', async () => {
  const { kept, raw, values, rows, width } = await opened('Q8_0');
  expect(ownForm(kept)).toMatchObject({ bits: 8, hasOffsets: false });
  const { values: bytes, scales } = toOwnBlocks(kept, raw, (row) => rows - 1 - row);
  const right = Float32Array.from({ length: rows * width }, (_, i) => {
    return values[(rows - 1 - Math.floor(i / width)) * width + (i % width)]!;
  });
  const ownForms = () => ({ bits: 8, hasOffsets: false, transposed: false }) as const;
  const [exact, rounded] = [false, true].map((rounds) =>
    tableStorage('int4', 'w', [rows, width], { ownForms, rounds }),
  );
  const ids = input('ids', 'int32', ['tokens']);
  const x = input('x', 'float32', ['batch', width]);
  const outputs = {
    read: gather(exact!.unpacked, ids),
    scores: linear(x, exact!.unpacked),
    normaliser: vocabularyNormaliser(x, exact!.unpacked, { part: 2 }),
  };
  const drawn = Float32Array.from({ length: 3 * width }, (_, i) => Math.sin(i * 1.3));
  const fed = (dtype: 'float32' | 'int32' | 'uint8', data: Data, ...shape: number[]) => ({ dtype, shape, data });
  const own = { 'w.own': fed('uint8', bytes, rows, width), 'w.own_scale': fed('float32', scales, rows, width / 32) };
  const feeds = { ids: fed('int32', Int32Array.of(rows - 1, 0), 2), x: fed('float32', drawn, 3, width) };
  await using session = await runtime.open(outputs, { threads: 1 });
  await using answering = await runtime.open({ rounded: linear(x, rounded!.unpacked) }, { threads: 1, constants: own });
  const found = { ...(await session.run({ ...feeds, ...own })), ...(await answering.run(feeds)) };
  const rowOf = (row: number): number[] => [...right.subarray(row * width, (row + 1) * width)];
  expect([...(found.read!.data as Float32Array)]).toEqual([...rowOf(rows - 1), ...rowOf(0)]);
  const dot = (row: number, to: number): number =>
    rowOf(to).reduce((sum, value, i) => sum + value * drawn[row * width + i]!, 0);
  const scores = [0, 1, 2].map((row) => Array.from({ length: rows }, (_, to) => dot(row, to)));
  expect(relativeError(found.scores!.data as Float32Array, scores.flat())).toBeLessThan(2e-6);
  const rounding = relativeError(found.rounded!.data as Float32Array, scores.flat());
  expect(rounding).toBeGreaterThan(1e-5);
  expect(rounding).toBeLessThan(1e-2);
  const normalisers = scores.map((row) => Math.log(row.reduce((sum, score) => sum + Math.exp(score), 0)));
  expect(relativeError(found.normaliser!.data as Float32Array, normalisers)).toBeLessThan(1e-5);
});

test('other types are no such form', async () => {
  for (const type of ['F32', 'Q5_0', 'Q6_K']) expect(ownForm((await opened(type)).kept)).toBeUndefined();
});
