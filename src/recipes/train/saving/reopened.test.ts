import { expect, test } from 'vitest';
import { joinFiles, memorySource, openSafetensors, safetensorsChunks } from '../../../files/index.ts';
import { expectTensors } from './reopened.ts';

const tensor = (name: string, data: Float32Array, shape: number[] = [data.length]) => ({
  name,
  dtype: 'float32' as const,
  shape,
  data,
});
const meant = [tensor('a', Float32Array.of(1, 2)), tensor('b', Float32Array.of(3, 4, 5, 6), [2, 2])];

async function reopen(saved: typeof meant): Promise<void> {
  const bytes = Buffer.concat([...safetensorsChunks(saved)]);
  const file = await openSafetensors(memorySource('saved', new Uint8Array(bytes)));
  await expectTensors(joinFiles([file]), meant, 'run/model');
}

test('what was meant passes', () => reopen(meant));

test.each([
  ['a tensor is missing', [meant[0]!], "'b' is missing"],
  ['one is too many', [...meant, tensor('c', Float32Array.of(1))], "'c' that nobody meant"],
  ['a shape differs', [meant[0]!, { ...meant[1]!, shape: [4] }], "'b' has the shape [4], not [2,2]"],
  ['a bit differs', [tensor('a', Float32Array.of(1, 2.0000002)), meant[1]!], "'a' has other values"],
  ['a value is no number', [tensor('a', Float32Array.of(1, Number.NaN)), meant[1]!], "'a' has other values"],
])('%s: it is refused', async (_, saved, problem) => {
  await expect(reopen(saved)).rejects.toMatchObject({
    code: 'SAVE_FAULTY',
    where: 'run/model',
    problem: expect.stringContaining(problem),
  });
});
