/** Every row of the table: gradient against finite differences, ONNX Runtime against the reference. */
import { afterAll, describe, expect, test } from 'vitest';
import { gradients } from '../autodiff/index.ts';
import {
  apply,
  applyAll,
  type DType,
  dataFrom,
  evaluateShape,
  type HostArray,
  input,
  interpret,
  type Operation,
  type Sample,
  type Sizes,
  sizeOf,
  type Tensor,
} from '../graph/index.ts';
import { normal, stream, uniform } from '../random/index.ts';
import { openRuntime } from '../runtime/openRuntime.node.ts';
import { mul, operations, sumAll } from './index.ts';

const sizes: Sizes = { batch: 2, seq: 3 };
const random = stream(1, 'samples');
let drawn = 0;

interface Input {
  readonly tensor: Tensor;
  readonly value: HostArray;
}

function sampleInput(sample: Sample<unknown>['inputs'][number], index: number): Input {
  const spec = 'shape' in sample ? sample : { shape: sample };
  const shape = evaluateShape(spec.shape, sizes);
  const draw = (): number => {
    if ('below' in spec) return Math.floor(uniform(random, drawn++) * spec.below);
    return 'positive' in spec ? 0.5 + uniform(random, drawn++) : normal(random, drawn++);
  };
  const dtype: DType = 'dtype' in spec ? spec.dtype : 'float32';
  const data = Float64Array.from({ length: sizeOf(shape) }, draw);
  return { tensor: input(`x${index}`, dtype, spec.shape), value: { shape, data } };
}

interface Case {
  readonly inputs: readonly Input[];
  readonly outputs: readonly Tensor[];
  readonly loss: Tensor;
  readonly analytic: readonly Tensor[];
  readonly feeds: Map<Tensor, HostArray>;
}

/** The row on its sample, a weighted sum of its first output as loss (so that every dy differs), and its gradients. */
function build(operation: Operation<unknown>, sample: Sample<unknown>): Case {
  const inputs = sample.inputs.map(sampleInput);
  const tensors = inputs.map(({ tensor }) => tensor);
  const outputs = applyAll(operation, tensors, sample.attributes);
  const shape = evaluateShape(outputs[0]!.shape, sizes);
  const dy = sampleInput(outputs[0]!.shape, 99);
  const feeds = new Map([...inputs, dy].map(({ tensor, value }) => [tensor, value] as const));
  expect(shape).toEqual(dy.value.shape);
  const loss = sumAll(mul(outputs[0]!, dy.tensor));
  const floats = tensors.filter(({ dtype }) => dtype === 'float32');
  const hasGradient = operation.gradient(outputs[0]!, tensors, outputs, sample.attributes).length > 0;
  return { inputs, outputs, loss, analytic: hasGradient ? gradients(loss, floats) : [], feeds };
}

function largestGradientError({ inputs, loss, analytic, feeds }: Case): number {
  const exact = interpret(analytic, feeds, sizes);
  const floats = inputs.filter(({ tensor }) => tensor.dtype === 'float32').slice(0, exact.length);
  let worst = 0;
  floats.forEach(({ value: { data } }, k) => {
    data.forEach((at, i) => {
      const lossAt = (x: number): number => {
        data[i] = x;
        return interpret([loss], feeds, sizes)[0]!.data[0]!;
      };
      const numeric = (lossAt(at + 1e-5) - lossAt(at - 1e-5)) / 2e-5;
      data[i] = at;
      worst = Math.max(worst, Math.abs(numeric - exact[k]!.data[i]!));
    });
  });
  return worst;
}

const runtime = await openRuntime();

async function largestRuntimeError({ outputs, analytic, feeds }: Case): Promise<number> {
  const compared = [...outputs, ...analytic];
  const values = Object.fromEntries(
    [...feeds].map(([{ name, dtype }, { shape, data }]) => [name!, { dtype, shape, data: dataFrom(data, dtype) }]),
  );
  const named = Object.fromEntries(compared.map((tensor, i) => [`y${i}`, tensor]));
  await using session = await runtime.open(named, { threads: 1 });
  const actual = await session.run(values);
  const errors = interpret(compared, feeds, sizes).map(({ data }, i) => {
    const found = actual[`y${i}`]!.data;
    expect(found.length).toBe(data.length);
    return Math.max(
      ...data.map((expected, k) => Math.abs(Number(found[k]) - expected) / Math.max(1, Math.abs(expected))),
    );
  });
  return Math.max(...errors);
}

for (const [name, operation] of Object.entries(operations)) {
  describe(name, () => {
    test('has samples and is stored under its own name', () => {
      expect(operation.samples.length).toBeGreaterThan(0);
      expect(operation.name).toBe(name);
    });
    test.each([...operation.samples.entries()])('gradient equals finite differences (sample %i)', (_, sample) => {
      const built = build(operation, sample);
      const differentiable = built.inputs.some(({ tensor }) => tensor.dtype === 'float32') && !unsmooth.has(name);
      if (differentiable) expect(built.analytic.length).toBeGreaterThan(0);
      expect(largestGradientError(built)).toBeLessThan(1e-6);
    });
    test.each([...operation.samples.entries()])('ONNX Runtime equals the reference (sample %i)', async (_, sample) => {
      expect(await largestRuntimeError(build(operation, sample))).toBeLessThan(2e-6);
    });
  });
}

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

/** Comparisons: their output is a truth value. */
const unsmooth = new Set(['less', 'equal', 'toFloat']);
afterAll(() => expect(drawn).toBeGreaterThan(1000));
