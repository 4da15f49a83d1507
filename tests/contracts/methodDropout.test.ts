/** Dropout of what is added: on the inputs of the added matrices, and on nothing else. */
import { describe, expect, test } from 'vitest';
import type { Value } from '../../src/engine/runtime/index.ts';
import { methods } from '../../src/methods/index.ts';
import { parameterValues } from '../../src/training/index.ts';
import { relativeError, runtime } from '../golden/fixtures.ts';
import { goldenBatches, openPartial } from '../golden/partial.ts';

const target_modules = ['query', 'output.dense'];
const rate = 0.25;
const given = {
  lora: methods.lora.settings.parse({ name: 'lora', target_modules, lora_dropout: rate }),
  dora: methods.dora.settings.parse({ name: 'dora', target_modules, lora_dropout: rate }),
  adalora: methods.adalora.settings.parse({ name: 'adalora', target_modules, lora_dropout: rate }),
  vera: methods.vera.settings.parse({ name: 'vera', target_modules, r: 8, vera_dropout: rate }),
};
const { feeds } = goldenBatches()[0]!;

type Opened = Awaited<ReturnType<typeof openPartial>>;

/** With everything that is dropped, or nothing. */
async function answers({ program, memory }: Opened, kept: 0 | 1): Promise<Float32Array> {
  const [batch, tokens] = feeds.input_ids!.shape as [number, number];
  const sizeOf = (dim: unknown): number => (dim === 'batch' ? batch : dim === 'tokens' ? tokens : (dim as number));
  const masks = program.masks.map(({ name, tensor }): [string, Value] => {
    const shape = tensor.shape.map(sizeOf);
    return [name, { dtype: 'uint8', shape, data: new Uint8Array(shape.reduce((a, b) => a * b, 1)).fill(kept) }];
  });
  await using session = await runtime.open({ logits: program.outputs.logits }, { threads: 1 });
  const values = { ...parameterValues(program, memory), ...feeds, ...Object.fromEntries(masks) };
  return (await session.run(values)).logits!.data as Float32Array;
}

describe.each(Object.entries(given))('%s', (name, method) => {
  /** The model's own dropout is off. */
  const open = (): Promise<Opened> => openPartial(method, { dropoutRate: () => 0 });

  test('drops its rate at each of its layers, and while training alone', async () => {
    const { masks } = (await open()).program;
    // Query, the end of attention and of the feed-forward in three layers.
    expect(masks.map((mask) => mask.rate)).toEqual(new Array(9).fill(rate));
    expect(masks.every((mask) => /(query|output\.dense)\.method$/.test(mask.name))).toBe(true);
    expect((await openPartial(method)).program.masks).toEqual([]);
  });

  test('what is dropped does not reach what was learned', async () => {
    const opened = await open();
    const base = await answers(opened, 1);
    const learned = /lora_B|lora_E|vera_lambda_b/;
    for (const [tensor, { arrays }] of opened.memory.trained) if (learned.test(tensor)) arrays.weight.fill(0.5);
    const [none, all] = [await answers(opened, 0), await answers(opened, 1)];
    expect(relativeError(all, base)).toBeGreaterThan(1e-2);
    expect(relativeError(all, none)).toBeGreaterThan(1e-2);
    // DoRA's lengths are those of all of W + BA, whatever is dropped.
    if (name !== 'dora') expect(relativeError(none, base)).toBeLessThan(1e-6);
  });
});
