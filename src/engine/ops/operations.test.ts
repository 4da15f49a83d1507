/** Every row of the table: gradient against finite differences, each of its ONNX forms against the reference. */
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { describe, expect, test } from 'vitest';
import { caseSizes, feedsOf, largestError, type RowCase, rowCase } from '../../../tests/browser/rowCases.ts';
import { apply, input, interpret } from '../graph/index.ts';
import { toOnnx } from '../onnx/index.ts';
import type { Value } from '../runtime/index.ts';
import { openRuntime } from '../runtime/openRuntime.node.ts';
import { operations } from './index.ts';

function largestGradientError({ differentiated, loss, analytic, feeds }: RowCase): number {
  const exact = interpret(analytic, feeds, caseSizes);
  let worst = 0;
  differentiated.forEach(({ value: { data } }, k) => {
    data.forEach((at, i) => {
      const lossAt = (x: number): number => {
        data[i] = x;
        return interpret([loss], feeds, caseSizes)[0]!.data[0]!;
      };
      const numeric = (lossAt(at + 1e-5) - lossAt(at - 1e-5)) / 2e-5;
      data[i] = at;
      worst = Math.max(worst, Math.abs(numeric - exact[k]!.data[i]!));
    });
  });
  return worst;
}

const runtime = await openRuntime();

async function runCpuForm(built: RowCase): Promise<Record<string, Value>> {
  await using session = await runtime.open(built.named, { threads: 1 });
  return await session.run(feedsOf(built));
}

/** The form that WebGPU runs (tests/browser), here on the CPU, written for fixed sizes. */
async function runPortableForm(built: RowCase): Promise<Record<string, Value>> {
  const { bytes, inputs } = toOnnx(built.named, { target: 'portable', sizes: caseSizes });
  const session = await InferenceSession.create(bytes, { intraOpNumThreads: 1, logSeverityLevel: 3 });
  const fed = Object.entries(feedsOf(built, inputs)).map(
    ([name, { dtype, data, shape }]) => [name, new OrtTensor(dtype as 'float32', data as Float32Array, shape)] as const,
  );
  const results = await session.run(Object.fromEntries(fed));
  await session.release();
  return results as unknown as Record<string, Value>;
}

for (const [name, operation] of Object.entries(operations)) {
  describe(name, () => {
    test('has samples and is stored under its own name', () => {
      expect(operation.samples.length).toBeGreaterThan(0);
      expect(operation.name).toBe(name);
    });
    test.each([...operation.samples.entries()])('gradient equals finite differences (sample %i)', (_, sample) => {
      const built = rowCase(operation, sample);
      const floats = built.inputs.filter(({ tensor }) => tensor.dtype === 'float32').length;
      if (!unsmooth.has(name)) expect(built.differentiated.length).toBe(floats);
      if (!straightThrough.has(name)) expect(largestGradientError(built)).toBeLessThan(1e-6);
    });
    test.each([...operation.samples.entries()])('ONNX Runtime equals the reference (sample %i)', async (_, sample) => {
      const built = rowCase(operation, sample);
      expect(largestError(built, await runCpuForm(built))).toBeLessThan(2e-6);
    });
    test.each([...operation.samples.entries()])('so does the portable form (sample %i)', async (_, sample) => {
      const built = rowCase(operation, sample);
      expect(largestError(built, await runPortableForm(built))).toBeLessThan(2e-6);
    });
  });
}

test('a model may leave out the first output of a node whose others it reads', async () => {
  const { layerNorm } = operations;
  const { named, feeds } = rowCase(layerNorm!, layerNorm!.samples[0]!);
  const { y0: _, ...others } = named;
  await using session = await runtime.open(others, { threads: 1 });
  expect(Object.keys(await session.run(feedsOf({ feeds })))).toEqual(Object.keys(others));
});

test('scatter sums every row of a repeated index, on two threads, each time', async () => {
  const [count, width] = [4096, 64];
  const rows = input('rows', 'float32', ['count', width]);
  const ids = input('ids', 'int32', ['count']);
  const sums = apply(operations.scatter!, [rows, ids], { shape: [2, width] });
  await using session = await runtime.open({ sums }, { threads: 2 });
  const feeds = {
    rows: { dtype: 'float32', shape: [count, width], data: new Float32Array(count * width).fill(1) },
    ids: { dtype: 'int32', shape: [count], data: Int32Array.from({ length: count }, (_, i) => i % 2) },
  } as const;
  for (let repeat = 0; repeat < 10; repeat++) {
    expect(new Set((await session.run(feeds)).sums!.data as Float32Array)).toEqual(new Set([count / 2]));
  }
});

/** Rows that round, with the gradient of what they would be without rounding: checked in a test of their own. */
const straightThrough = new Set(['int8Linear', 'switchBack', 'int4Linear']);
/** Comparisons, casts, angles, masks, and weights that are never trained: not every input of floats has a gradient. */
const unsmooth = new Set([
  'less',
  'equal',
  'stopGradient',
  'toFloat',
  'toInt32',
  'rotate',
  'after',
  'attend',
  'attendGradient',
  'quantisedLinear',
  'unpackInt8',
  'unpackInt4',
  'unpackBlocks',
  'blocksLinear',
  'blocksBack',
  'roundedBlocks',
  'unpackByteRows',
  'roundedByteRows',
  'byteRowsNormaliser',
  'switchBackInput',
  ...straightThrough,
]);
