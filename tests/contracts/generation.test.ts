/** What methods add is there for every token that is read, whether at once or piece by piece. */
import { expect, test } from 'vitest';
import { openDecoder as openReader } from '../../src/inference/generation/decoder.ts';
import { attachMethod, type MethodName } from '../../src/methods/index.ts';
import { openDecoder } from '../golden/decoderModels.ts';
import { relativeError, runtime } from '../golden/fixtures.ts';
import { everyMethod } from './everyMethod.ts';

const ids = [5, 17, 8, 30, 12, 9];
const prompts: readonly MethodName[] = ['prompt_tuning', 'p_tuning'];

async function reader(name: MethodName) {
  const method = everyMethod[name];
  const { description, memory } = await openDecoder('llama', { method });
  for (const { parameter, arrays } of memory.trained.values()) {
    if (parameter.added) arrays.weight.set(arrays.weight.map((value, i) => value + Math.sin(i) / 10));
  }
  const methods = [attachMethod(method, description.architecture)];
  return openReader(description, { memory, methods, open: runtime.open, threads: 1 });
}

const tokens = (from: number, count: number) => ({
  positions: Int32Array.from({ length: count }, (_, i) => from + i),
  texts: new Int32Array(count).fill(1),
});

test.each(['lora', 'dora', 'ia3', 'adapter', 'prefix_tuning'] as const)('%s: a cache changes nothing', async (name) => {
  await using decoder = await reader(name);
  const whole = await decoder.read(decoder.openCache(1), Int32Array.from(ids), tokens(0, 6));
  const cache = decoder.openCache(1);
  await decoder.read(cache, Int32Array.from(ids.slice(0, 4)), tokens(0, 4));
  const last = await decoder.read(cache, Int32Array.from(ids.slice(4)), tokens(4, 2));
  expect(relativeError(last, whole)).toBeLessThan(1e-5);
});

test.each(prompts)('%s is refused', async (name) => {
  await expect(reader(name)).rejects.toMatchObject({ code: 'CONFIG_INVALID', where: 'method.name' });
});
