/** What every fine-tuning method must keep, over every method. */
import { describe, expect, test } from 'vitest';
import type { Values } from '../../src/engine/runtime/index.ts';
import { type MethodName, type MethodSettings, methods } from '../../src/methods/index.ts';
import { parameterValues } from '../../src/training/index.ts';
import { feedsOf, readTensors, relativeError, runtime } from '../golden/fixtures.ts';
import { lossCurve, openPartial, trainerOf } from '../golden/partial.ts';

/** One setting of each method that trains something in the middle of the model. */
const settings: Record<MethodName, MethodSettings> = {
  full: methods.full.settings.parse({ name: 'full' }),
  freeze: methods.freeze.settings.parse({ name: 'freeze', trainable: 1 }),
  lora: methods.lora.settings.parse({ name: 'lora', target_modules: 'all-linear' }),
};
type Opened = Awaited<ReturnType<typeof openPartial>>;
const golden = await readTensors('bert-tiny/step0.safetensors');
const feeds = feedsOf(golden);
const plan = { steps: 5, learning_rate: 0.01, warmup_steps: 0, max_grad_norm: 1 };

async function logitsOf({ program, memory }: Opened, changed: Values = {}): Promise<Float32Array> {
  await using session = await runtime.open({ logits: program.outputs.logits }, { threads: 1 });
  const result = await session.run({ ...parameterValues(program, memory), ...changed, ...feeds });
  return result.logits!.data as Float32Array;
}

describe.each(Object.entries(settings))('%s', (_, method) => {
  test('step 0 is the base model', async () => {
    expect(relativeError(await logitsOf(await openPartial(method)), golden.get('logits')!.data)).toBeLessThan(1e-5);
  });

  test('after a step every trained tensor has a finite gradient that is not zero', async () => {
    const opened = await openPartial(method);
    await lossCurve(opened, { ...plan, steps: 1 });
    await using trainer = await trainerOf(opened);
    await trainer.gradients([{ feeds, rows: 4, tokens: 44 }], 1);
    for (const [name, { arrays }] of opened.memory.trained) {
      expect(arrays.gradient.every(Number.isFinite), name).toBe(true);
      expect(
        arrays.gradient.some((value) => value !== 0),
        name,
      ).toBe(true);
    }
  });

  test('training changes what is trained, and nothing else by a bit', async () => {
    const opened = await openPartial(method);
    const frozen = new Map([...opened.memory.frozen].map(([name, data]) => [name, data.slice()]));
    const before = await logitsOf(opened);
    const losses = await lossCurve(opened, plan);
    expect(relativeError(await logitsOf(opened), before)).toBeGreaterThan(1e-2);
    expect(losses.every(Number.isFinite)).toBe(true);
    for (const [name, data] of opened.memory.frozen) expect(data, name).toEqual(frozen.get(name));
  });

  test('merged weights answer as the method does', async () => {
    const opened = await openPartial(method);
    await lossCurve(opened, plan);
    const { program, memory } = opened;
    if (program.merged.size === 0)
      return expect(program.parameters.some(({ parameter }) => parameter.added)).toBe(false);
    const outputs = [...program.merged].map(([name, tensor]) => [`merged.${name}`, tensor] as const);
    await using session = await runtime.open(Object.fromEntries(outputs), { threads: 1 });
    const merged = await session.run(parameterValues(program, memory));
    const plain = await openPartial(settings.full);
    const own = parameterValues(program, memory);
    const weights = plain.program.parameters.map(({ parameter: { name } }) => [
      name,
      merged[`merged.${name}`] ?? own[name]!,
    ]);
    expect(relativeError(await logitsOf(plain, Object.fromEntries(weights)), await logitsOf(opened))).toBeLessThan(
      1e-5,
    );
    return undefined;
  });
});
