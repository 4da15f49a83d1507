/** Steps in 8 bits: how far rounding moves them from the exact ones, and what it must not touch. */
import { describe, expect, test } from 'vitest';
import { gradients } from '../../src/engine/autodiff/index.ts';
import { type HostArray, input, interpret } from '../../src/engine/graph/index.ts';
import { linear, mul, sumAll, switchBackLinear, unpackInt8 } from '../../src/engine/ops/index.ts';
import { normal, stream } from '../../src/engine/random/index.ts';
import { methods } from '../../src/methods/index.ts';
import { type Stored, storageOf } from '../../src/models/nn/index.ts';
import { parameterValues } from '../../src/training/index.ts';
import { feedsOf, readTensors, relativeError, runtime } from './fixtures.ts';
import { lossCurve, openPartial } from './partial.ts';

const lora = methods.lora.settings.parse({ name: 'lora', target_modules: 'all-linear' });
const full = methods.full.settings.parse({ name: 'full' });
const golden = await readTensors('bert-tiny/step0.safetensors');
const feeds = feedsOf(golden);
const plan = { steps: 20, learning_rate: 0.01, warmup_steps: 0, max_grad_norm: 1 };
type Opened = Awaited<ReturnType<typeof openPartial>>;

async function logitsOf({ program, memory }: Opened): Promise<Float32Array> {
  await using session = await runtime.open({ logits: program.outputs.logits }, { threads: 1 });
  return (await session.run({ ...parameterValues(program, memory), ...feeds })).logits!.data as Float32Array;
}

describe('a straight-through gradient is that of the exact layer, up to rounding', () => {
  const [rows, ins, outs] = [16, 64, 32];
  const drawn = (name: string, count: number) => {
    const from = stream(1, name);
    return Float64Array.from({ length: count }, (_, i) => Math.fround(normal(from, i)));
  };
  const host = (data: ArrayLike<number>, ...shape: number[]): HostArray => ({ shape, data: Float64Array.from(data) });
  const x = input('x', 'float32', [rows, ins]);
  const weight = input('weight', 'float32', [outs, ins]);
  const bias = input('bias', 'float32', [outs]);
  const dy = input('dy', 'float32', [rows, outs]);
  const matrix = drawn('weight', outs * ins);
  const { leaves, unpacked, pack } = storageOf('int8', 'w', [outs, ins]) as Stored;
  const packed = pack(Float32Array.from(matrix));
  const values = new Map<typeof x, HostArray>([
    [x, host(drawn('x', rows * ins), rows, ins)],
    [weight, host(matrix, outs, ins)],
    [bias, host(drawn('bias', outs), outs)],
    [dy, host(drawn('dy', rows * outs), rows, outs)],
    ...leaves.map((leaf, i) => [leaf, host(packed[i] as Int8Array, ...(leaf.shape as number[]))] as const),
  ]);
  const gradientsOf = (y: ReturnType<typeof linear>, wanted: (typeof x)[]) =>
    interpret(gradients(sumAll(mul(y, dy)), wanted), values, {}).map(({ data }) => data);
  const exact = gradientsOf(linear(x, weight, bias), [x, bias, weight]);

  test('frozen, in blocks of 4 bits: of one step in sixteen', () => {
    const four = storageOf('int4', 'four', [outs, ins]) as Stored;
    four.pack(Float32Array.from(matrix)).forEach((data, i) => {
      const leaf = four.leaves[i]!;
      values.set(leaf, host(data as Uint8Array, ...(leaf.shape as number[])));
    });
    const y = linear(x, four.unpacked, bias);
    gradientsOf(y, [x, bias]).forEach((found, i) => {
      expect(relativeError(found, exact[i]!)).toBeLessThan(0.15);
    });
    const [unpacked] = interpret([four.unpacked], values, {});
    // Half a step; a whole one opposite to the farthest value of a block, where the steps end at 7.
    expect(relativeError(unpacked!.data, matrix)).toBeLessThan(1 / 8 + 1e-6);
  });

  test.each([
    ['frozen, by rows and by columns', linear(x, unpacked, bias), [x, bias]],
    ['trained, by rows', switchBackLinear(x, weight, bias), [x, bias, weight]],
  ] as const)('%s', (_, y, wanted) => {
    gradientsOf(y, [...wanted]).forEach((found, i) => {
      expect(relativeError(found, exact[i]!)).toBeLessThan(0.03);
    });
  });

  test('the unpacked weight is the weight, to half a step', () => {
    const [found] = interpret([unpackInt8(leavesByName(leaves))], values, {});
    expect(relativeError(found!.data, matrix)).toBeLessThan(0.5 / 63 + 1e-6);
  });
});

const leavesByName = ([forward, forwardScale, backward, backwardScale]: Stored['leaves']) => ({
  forward: forward!,
  forwardScale: forwardScale!,
  backward: backward!,
  backwardScale: backwardScale!,
});

test.each(['int8', 'int4'] as const)(
  'over a base in %s the model answers nearly as before, learns, and leaves it',
  async (base_precision) => {
    const exact = await openPartial(lora);
    const rounded = await openPartial({ ...lora, base_precision });
    const difference = relativeError(await logitsOf(rounded), await logitsOf(exact));
    expect(difference).toBeGreaterThan(1e-5);
    expect(difference).toBeLessThan(base_precision === 'int8' ? 0.1 : 0.5);
    const before = [...rounded.memory.packed.values()].map((form) =>
      Object.values(form).map(({ data }) => data.slice()),
    );
    const [wanted, found] = [await lossCurve(exact, plan), await lossCurve(rounded, plan)];
    expect(fall(found)).toBeGreaterThan(fall(wanted) / 2);
    const after = [...rounded.memory.packed.values()].map((form) => Object.values(form).map(({ data }) => data));
    expect(after).toEqual(before);
  },
);

test('frozen matrices are held in 8 bits alone; the head, embeddings and vectors as they are', async () => {
  const { memory, program } = await openPartial({ ...lora, base_precision: 'int8' });
  const kept = program.parameters.filter(({ parameter: { trainable } }) => !trainable).map((one) => one.parameter);
  for (const { name, shape } of kept) {
    const isMatrix = shape.length === 2 && !name.includes('embeddings');
    expect(memory.packed.has(name), name).toBe(isMatrix);
    expect(memory.frozen.has(name), name).toBe(!isMatrix);
  }
});

test('full tuning in 8 bits learns, with other gradients than the exact ones', async () => {
  const exact = await openPartial(full);
  const rounded = await openPartial(full, { precision: 'int8' });
  // All layers together take smaller steps.
  const careful = { ...plan, learning_rate: 0.002 };
  const wanted = await lossCurve(exact, careful);
  const found = await lossCurve(rounded, careful);
  expect(found).not.toEqual(wanted);
  expect(fall(found)).toBeGreaterThan(fall(wanted) / 2);
});

const mean = (losses: readonly number[]): number => losses.reduce((a, b) => a + b, 0) / losses.length;

/** How far a curve falls. */
function fall(losses: readonly number[]): number {
  const fallen = mean(losses.slice(0, 3)) - mean(losses.slice(-3));
  expect(fallen).toBeGreaterThan(0.1);
  return fallen;
}
