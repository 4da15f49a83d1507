import { InferenceSession, Tensor } from 'onnxruntime-node';
import { expect, test } from 'vitest';
import { input } from '../graph/index.ts';
import { linear } from '../ops/index.ts';
import { toOnnx } from './index.ts';

const x = input('x', 'float32', ['batch', 2]);
const weight = input('weight', 'float32', [3, 2]);
const bias = input('bias', 'float32', [3]);
const y = linear(x, weight, bias);
const values = Float32Array.of(1, 2, 3, 4, 5, 6);

test('a leaf with values stands in the model, the others stay inputs', async () => {
  const initializers = new Map([
    ['weight', values],
    ['of another graph', values],
  ]);
  const { bytes, inputs } = toOnnx({ y }, { initializers });
  expect([...inputs].sort()).toEqual(['bias', 'x']);
  const session = await InferenceSession.create(bytes);
  expect([...session.inputNames].sort()).toEqual(['bias', 'x']);
  const feeds = { x: new Tensor(Float32Array.of(10, 1), [1, 2]), bias: new Tensor(Float32Array.of(0, 0, 0.5), [3]) };
  expect(Array.from((await session.run(feeds)).y!.data as Float32Array)).toEqual([12, 34, 56.5]);
  await session.release();
});

test('values that do not fill their leaf are refused', () => {
  expect(() => toOnnx({ y }, { initializers: new Map([['bias', values]]) })).toThrow(
    "internal: 'bias' is float32[3], but has 6 values",
  );
});
