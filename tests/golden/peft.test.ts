/** Folders that other programs saved: opened here, trained here, merged here. */
import { describe, expect, test } from 'vitest';
import type { Value, Values } from '../../src/engine/runtime/index.ts';
import { methods } from '../../src/methods/index.ts';
import { readAdapter } from '../../src/store/adapters/index.ts';
import { parameterValues } from '../../src/training/index.ts';
import { feedsOf, goldenFolder, readGolden, readTensors, relativeError, runtime } from './fixtures.ts';
import { lossCurve, openPartial, trainerOf } from './partial.ts';
import { encodedMethod, expectLosses, expectMerged, type GoldenCurve, isEncoded, own, startOf } from './peftFolders.ts';

/** LoRA in all its forms, AdaLoRA, one folder or two of PEFT's other methods, and what AdapterHub's library saves. */
const suites = ['lora-tiny', 'adalora-tiny', 'peft-tiny', 'adapterhub-tiny'].map((folder) => ({
  folder,
  ...readGolden(`${folder}/cases.json`),
}));
const all = suites.flatMap(({ folder, cases }) =>
  Object.keys(cases).map((name) => ({ place: `${folder}/${name}`, golden: cases[name] })),
);

async function openCase(place: string, changes: object = {}) {
  const golden = all.find((one) => one.place === place)!.golden;
  if (!isEncoded(golden)) return await openSaved(place, changes);
  const adapter = startOf(await readTensors(`${place}/golden.safetensors`));
  return await openPartial(encodedMethod(place.split('/').at(-1)!, golden.settings), { adapter });
}

async function openSaved(place: string, changes: object = {}) {
  const adapter = (await readAdapter(`${goldenFolder}/${place}/adapter`))!;
  const checkpoint = await adapter.open();
  const opened = await openPartial({ ...adapter.method, ...changes }, { adapter: checkpoint });
  await checkpoint.close();
  return opened;
}

async function score(outputs: Parameters<typeof runtime.open>[0], values: Values): Promise<Record<string, Value>> {
  await using session = await runtime.open(outputs, { threads: 1 });
  return await session.run(values);
}

/** Zero in exact arithmetic: a shift of all scores of a query. Compared by what is largest elsewhere. */
const isShift = (parameter: string): boolean => parameter.endsWith('key.bias');

describe.each(all)('$place', ({ place, golden }) => {
  test('trains what its program trains', async () => {
    const { memory } = await openCase(place);
    const count = [...memory.trained.values()].reduce((sum, slot) => sum + slot.count, 0);
    expect(count).toBe(golden.trainable_parameters);
    expect([...memory.trained.keys()].sort()).toEqual(Object.keys(golden.trained).map(own).sort());
  });

  test('answers from its folder', async () => {
    const { program, memory } = await openSaved(place);
    const wanted = await readTensors(`${place}/golden.safetensors`);
    const { logits } = program.outputs;
    const answers = await score({ logits }, { ...parameterValues(program, memory), ...feedsOf(wanted) });
    expect(relativeError(answers.logits!.data as Float32Array, wanted.get('logits')!.data)).toBeLessThan(2e-5);
  });

  test('gives its logits, and every gradient', async () => {
    const opened = await openCase(place);
    const wanted = await readTensors(`${place}/golden.safetensors`);
    const feeds = feedsOf(wanted);
    const { logits } = await score(
      { logits: opened.program.outputs.logits },
      { ...parameterValues(opened.program, opened.memory), ...feeds },
    );
    expect(relativeError(logits!.data as Float32Array, wanted.get('logits')!.data)).toBeLessThan(2e-5);
    await using trainer = await trainerOf(opened);
    await trainer.gradients([{ feeds, rows: 4, tokens: 44 }], 1);
    const gradients = [...wanted].filter(([key]) => key.startsWith('gradient.'));
    expect(gradients.length).toBe(opened.memory.trained.size);
    const largest = Math.max(...gradients.map(([, { data }]) => Math.max(...data.map(Math.abs))));
    for (const [key, { data }] of gradients) {
      const parameter = own(key.slice('gradient.'.length))!;
      const floor = isShift(parameter) ? largest : 1e-30;
      expect(relativeError(opened.memory.trained.get(parameter)!.arrays.gradient, data, floor), parameter).toBeLessThan(
        1e-4,
      );
    }
  });

  test('merges to its weights', async () => {
    const count = await expectMerged(await openCase(place), await readTensors(`${place}/golden.safetensors`));
    if (count === 0) expect(place).not.toMatch(/lora-tiny|adalora|ia3|dora|vera/);
  });
});

const curves = [
  ...['plain', 'patterns', 'bias_all'].map((name) => {
    return { place: `lora-tiny/${name}`, curve: readGolden(`lora-tiny/${name}/curve.json`), changes: {} };
  }),
  ...all.filter(({ golden }) => golden.plan).map(({ place, golden }) => ({ place, curve: golden, changes: {} })),
];

test.each(curves)('the loss curve of $place follows its program', async ({ place, curve }) => {
  await expectCurve(curve, await openCase(place));
});

test('the loss curve of LoRA+ follows PEFT', async () => {
  const curve = readGolden('lora-tiny/loraplus/curve.json');
  await expectCurve(curve, await openCase('lora-tiny/plain', { loraplus_lr_ratio: curve.loraplus_lr_ratio }));
});

test.each(['lora', 'dora'] as const)('LoRA+ over %s has the groups of create_loraplus_optimizer', async (name) => {
  const method = methods[name].settings.parse({ name, bias: 'all', loraplus_lr_ratio: 16 });
  const { memory } = await openPartial(method);
  const vectors = [...memory.trained.keys()].filter((key) => key.endsWith('lora_magnitude_vector'));
  expect(vectors.length).toBe(name === 'dora' ? 6 : 0);
  for (const [key, { parameter }] of memory.trained) {
    // PEFT 0.21.2, optimizers/loraplus.py: `elif "lora_B" in name or param.ndim == 1`.
    const isFaster = key.includes('lora_B') || parameter.shape.length === 1;
    expect(parameter.learningRateScale, key).toBe(isFaster ? 16 : 1);
  }
});

async function expectCurve(
  curve: GoldenCurve,
  opened: Awaited<ReturnType<typeof openCase>>,
  each?: () => void,
): Promise<void> {
  expectLosses(await lossCurve(opened, curve.plan, { each }), curve);
}

test('AdaLoRA gives up the ranks that PEFT gives up, step by step, along its loss curve', async () => {
  const { allocation } = readGolden('adalora-tiny/cases.json');
  const opened = await openCase('adalora-tiny/whole');
  const entries = [...opened.memory.trained].filter(([name]) => name.endsWith('.lora_E'));
  const marks = () =>
    entries.map(([name, { arrays }]) => [name, [...arrays.weight].map((value) => value !== 0)] as const);
  const kept: number[] = [];
  await expectCurve(allocation, opened, () => kept.push(marks().flatMap(([, own]) => own.filter(Boolean)).length));
  expect(kept).toEqual(allocation.ranks_kept);
  expect(Object.fromEntries(marks())).toEqual(allocation.rank_pattern);
});

const { starts } = readGolden('peft-tiny/cases.json');

test.each(Object.keys(starts))('from its own start the loss curve of %s follows PEFT', async (name) => {
  const { settings, ...curve } = starts[name];
  const { init_lora_weights: init, lora_alpha = 8, ...given } = settings;
  const method = methods.lora.settings.parse({ name: 'lora', ...given, lora_alpha, init });
  await expectCurve(curve, await openPartial(method));
});
