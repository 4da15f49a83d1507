/** Weighted sums of LoRA adapters against PEFT's add_weighted_adapter. */
import { describe, expect, test } from 'vitest';
import { type Checkpoint, checkpointOver } from '../../src/files/index.ts';
import { type Addend, type Sum, sumOf } from '../../src/methods/sums/sumOf.ts';
import { readTensors as tensorsOf } from '../../src/recipes/export/tensors.ts';
import { readAdapter } from '../../src/store/adapters/index.ts';
import { ownName } from '../../src/store/adapters/peft/names.ts';
import { goldenBatchRows, logitsOf, openDecoder, plainBatch, withoutPadding } from './decoderModels.ts';
import { goldenFolder, readGolden, readTensors, relativeError } from './fixtures.ts';

interface Case {
  readonly adapters: readonly string[];
  readonly weights: readonly number[];
  readonly combination_type: 'cat' | 'linear' | 'svd';
  readonly svd_rank?: number;
}
const cases = Object.entries(readGolden('lora-sums/cases.json').cases as Record<string, Case>);

async function addend(name: string, weight: number): Promise<Addend> {
  const { method, open, folder } = (await readAdapter(`${goldenFolder}/lora-sums/${name}`))!;
  return { where: folder, weight, method, tensors: await tensorsOf(await open()) };
}

async function summed({ adapters, weights, combination_type: combination, svd_rank: rank }: Case): Promise<Sum> {
  const addends = await Promise.all(adapters.map((name, i) => addend(name, weights[i]!)));
  return sumOf(addends, { combination, rank });
}

const checkpointOf = ({ tensors }: Sum): Checkpoint =>
  checkpointOver(new Map(tensors.map((tensor) => [tensor.name, tensor])));

/** B·A of a linear layer, or (B·A)ᵀ of the embeddings. */
function productOf({ tensors }: Sum, path: string): number[] {
  const named = (end: string) => tensors.find(({ name }) => name === `${path}.${end}`);
  const isTable = named('lora_embedding_A') !== undefined;
  const [a, b] = isTable
    ? [named('lora_embedding_A')!, named('lora_embedding_B')!]
    : [named('lora_A.weight')!, named('lora_B.weight')!];
  const [rank, width] = a.shape as [number, number];
  const out = b.shape[0]!;
  const at = (o: number, i: number): number =>
    Array.from({ length: rank }, (_, k) => b.data[o * rank + k]! * a.data[k * width + i]!).reduce((x, y) => x + y);
  return isTable
    ? Array.from({ length: out * width }, (_, n) => at(n % out, Math.floor(n / out)))
    : Array.from({ length: out * width }, (_, n) => at(Math.floor(n / width), n % width));
}

describe.each(cases)('%s', (name, given) => {
  test('has the matrices that PEFT makes', async () => {
    const golden = await readTensors(`lora-sums/${name}.safetensors`);
    const sum = await summed(given);
    const wanted = [...golden].filter(([key]) => key !== 'logits');
    expect(wanted.length).toBeGreaterThan(3);
    if (given.combination_type === 'svd') {
      for (const [key, { data }] of wanted) {
        expect(relativeError(productOf(sum, key.slice('delta.'.length)), data), key).toBeLessThan(1e-6);
      }
      return;
    }
    expect(sum.tensors.map((tensor) => tensor.name).sort()).toEqual(wanted.map(([key]) => ownName(key)!).sort());
    for (const [key, { shape, data }] of wanted) {
      const found = sum.tensors.find((tensor) => tensor.name === ownName(key))!;
      expect(found.shape).toEqual(shape);
      expect(relativeError(found.data, data), key).toBeLessThan(1e-6);
    }
  });

  test('answers as it does there', async () => {
    const golden = await readTensors(`lora-sums/${name}.safetensors`);
    const step0 = await readTensors('decoders/llama/step0.safetensors');
    const sum = await summed(given);
    const opened = await openDecoder('llama', { method: sum.method, adapter: checkpointOf(sum) });
    const logits = await logitsOf(opened, plainBatch(goldenBatchRows(step0)).feeds);
    const expected = withoutPadding(golden.get('logits')!.data, step0);
    expect(relativeError(withoutPadding(logits, step0), expected)).toBeLessThan(1e-5);
  });
});

describe('sums', () => {
  test('cat is the sum itself, svd of its whole rank too, of linear only where one adapter is there', async () => {
    const exact = await summed({ adapters: ['plain', 'rslora'], weights: [0.7, 0.4], combination_type: 'cat' });
    const decomposed = await summed({
      adapters: ['plain', 'rslora'],
      weights: [0.7, 0.4],
      combination_type: 'svd',
      svd_rank: 8,
    });
    const path = 'model.layers.0.self_attn.v_proj';
    expect(relativeError(productOf(decomposed, path), productOf(exact, path))).toBeLessThan(1e-6);
    const linear = await summed({ adapters: ['plain', 'rslora'], weights: [0.7, 0.4], combination_type: 'linear' });
    expect(relativeError(productOf(linear, path), productOf(exact, path))).toBeGreaterThan(0.1);
    const apart = 'model.layers.0.self_attn.q_proj';
    expect(relativeError(productOf(linear, apart), productOf(exact, apart))).toBeLessThan(1e-6);
  });

  test('an adapter and its opposite leave nothing, and one twice is twice the one', async () => {
    const same = ['plain', 'plain'];
    const path = 'model.layers.1.self_attn.q_proj';
    const [once] = [await summed({ adapters: ['plain'], weights: [1], combination_type: 'cat' })];
    for (const combination_type of ['cat', 'linear', 'svd'] as const) {
      const twice = await summed({ adapters: same, weights: [0.5, 1.5], combination_type });
      const product = productOf(once!, path).map((value) => 2 * value);
      // Square roots of weights do not add up.
      const error = relativeError(productOf(twice, path), product);
      if (combination_type === 'linear') expect(error).toBeGreaterThan(0.1);
      else expect(error).toBeLessThan(1e-6);
    }
    const none = await summed({ adapters: same, weights: [1, -1], combination_type: 'svd' });
    expect(Math.max(...productOf(none, path).map(Math.abs))).toBeLessThan(1e-6);
  });

  test.each([
    [
      'linear of unequal ranks',
      ['plain', 'patterns'],
      { combination: 'linear' as const },
      /its rank is 3, that of .*plain is 4/,
    ],
    [
      'another method',
      ['plain', '../peft-tiny/ia3/adapter'],
      { combination: 'cat' as const },
      /it is an adapter of ia3/,
    ],
    ['DoRA', ['plain', '../peft-tiny/dora/adapter'], { combination: 'cat' as const }, /it is an adapter of dora/],
    [
      'biases',
      ['plain', '../lora-tiny/bias_all/adapter'],
      { combination: 'cat' as const },
      /it trained biases \(bias: all\)/,
    ],
    [
      'two heads',
      ['../lora-tiny/plain/adapter', '../lora-tiny/patterns/adapter'],
      { combination: 'cat' as const },
      /it has its own 'classifier\.(weight|bias)', and so has/,
    ],
  ])('refuse %s', async (_, names, how, problem) => {
    const addends = await Promise.all(names.map((name) => addend(name, 1)));
    const failure = await Promise.resolve()
      .then(() => sumOf(addends, how))
      .catch((thrown) => thrown);
    expect(failure).toMatchObject({ code: 'ADAPTER_SUM', problem: expect.stringMatching(problem) });
  });
});
