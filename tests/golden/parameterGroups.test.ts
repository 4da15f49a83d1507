/** Rates and decays by the names of tensors, against PyTorch's parameter groups. */
import { describe, expect, test } from 'vitest';
import type { Checkpoint } from '../../src/files/index.ts';
import { type MethodSettings, methods } from '../../src/methods/index.ts';
import { type ParameterGroup, parameterGroups } from '../../src/methods/parameterGroups.ts';
import { readAdapter } from '../../src/store/adapters/index.ts';
import { ownName } from '../../src/store/adapters/peft/names.ts';
import { everyMethod } from '../contracts/everyMethod.ts';
import { goldenFolder, readGolden } from './fixtures.ts';
import { lossCurve, openPartial } from './partial.ts';

const full = methods.full.settings.parse({ name: 'full' });
const lora = (await readAdapter(`${goldenFolder}/lora-tiny/plain/adapter`))!;
const rate = 5e-4;

async function open(method: MethodSettings, groups: readonly ParameterGroup[], from?: { open(): Promise<Checkpoint> }) {
  const adapter = await from?.open();
  const opened = await openPartial(method, { adapter, others: [parameterGroups(groups, rate)] });
  await adapter?.close();
  return opened;
}

const isShift = (name: string): boolean => name.endsWith('key.bias');

test.each([
  ['full', full, undefined],
  ['lora', lora.method, lora],
] as const)('%s follows the loss curve, and ends with the same weights', async (name, method, from) => {
  const golden = readGolden(`freeze-tiny/groups_${name}.json`);
  expect(golden.plan.learning_rate).toBe(rate);
  const opened = await open(method, golden.groups, from);
  const losses = await lossCurve(opened, golden.plan);
  losses.forEach((loss, i) => {
    expect(Math.abs(loss / golden.float64.loss[i] - 1), `step ${i + 1}`).toBeLessThan(1e-4);
  });
  const final = Object.entries<{ abs_sum: number }>(golden.final);
  expect(final.map(([key]) => ownName(key) ?? key).sort()).toEqual([...opened.memory.trained.keys()].sort());
  for (const [key, { abs_sum }] of final) {
    if (isShift(key)) continue;
    const { weight } = opened.memory.trained.get(ownName(key) ?? key)!.arrays;
    const sum = weight.reduce((total, value) => total + Math.abs(value), 0);
    expect(Math.abs(sum / abs_sum - 1), key).toBeLessThan(1e-5);
  }
});

test.each(Object.entries(everyMethod))('%s has groups of all that it trains', async (_, method) => {
  const trained = ({ memory }: Awaited<ReturnType<typeof open>>) => [...memory.trained.values()];
  const plain = new Map(trained(await openPartial(method)).map(({ parameter }) => [parameter.name, parameter]));
  const grouped = trained(await open(method, [{ pattern: '.*', learning_rate_scale: 0.5, weight_decay: 0 }]));
  expect(grouped.length).toBe(plain.size);
  for (const { parameter } of grouped) {
    const { learningRateScale } = plain.get(parameter.name)!;
    expect(parameter).toMatchObject({ learningRateScale: learningRateScale / 2, weightDecay: 0 });
  }
});

describe('a tensor', () => {
  const of = async (method: MethodSettings, groups: readonly ParameterGroup[], name: string) => {
    const { memory } = await open(method, groups);
    return memory.trained.get(name)!.parameter;
  };

  test('has the first group that fits: whole names, or an expression over all of its name', async () => {
    const groups = [
      { pattern: 'layer.1', learning_rate_scale: 2 },
      { pattern: String.raw`.*\.query\.\w+`, learning_rate: 1e-3, weight_decay: 0 },
    ];
    const query = (layer: number) => `bert.encoder.layer.${layer}.attention.self.query.weight`;
    expect(await of(full, groups, query(1))).toMatchObject({ learningRateScale: 2 });
    expect(await of(full, groups, query(1))).not.toHaveProperty('weightDecay');
    expect(await of(full, groups, query(0))).toMatchObject({ learningRateScale: 2, weightDecay: 0 });
    expect(await of(full, groups, 'bert.pooler.dense.weight')).toMatchObject({ learningRateScale: 1 });
  });

  test('keeps what its method gives it beside a scale, and not beside a rate', async () => {
    const decaying = methods.full.settings.parse({ name: 'full', layer_lr_decay: 0.5 });
    const name = 'bert.encoder.layer.2.output.dense.weight';
    expect(await of(decaying, [{ pattern: 'layer.2', learning_rate_scale: 3 }], name)).toMatchObject({
      learningRateScale: 1.5,
    });
    expect(await of(decaying, [{ pattern: 'layer.2', learning_rate: rate }], name)).toMatchObject({
      learningRateScale: 1,
    });
  });
});

describe('a pattern that chooses nothing', () => {
  test.each([
    [[{ pattern: 'qurey', weight_decay: 0 }], 0, /'qurey' fits nothing that is trained/, /lora_A\.weight/],
    [
      [
        { pattern: 'lora_A', weight_decay: 0 },
        { pattern: 'dense', weight_decay: 0 },
      ],
      1,
      /nothing that is trained/,
      /N/,
    ],
    [
      [
        { pattern: 'query', weight_decay: 0 },
        { pattern: '.*query.*', weight_decay: 0 },
      ],
      1,
      /has left/,
      /before/,
    ],
    [[{ pattern: '(', weight_decay: 0 }], 0, /fits nothing/, /classifier/],
  ])('is refused: %j', async (groups, index, problem, fix) => {
    await expect(open(lora.method, groups)).rejects.toMatchObject({
      code: 'CONFIG_INVALID',
      where: `training.parameter_groups[${index}].pattern`,
      problem: expect.stringMatching(problem),
      fix: expect.stringMatching(fix),
    });
  });
});
