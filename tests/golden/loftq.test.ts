/** LoftQ: nearer to the exact base than rounding alone, as the paper's algorithm with PyTorch's decomposition. */
import { describe, expect, test } from 'vitest';
import { normal, stream } from '../../src/engine/random/index.ts';
import { openCheckpoint } from '../../src/files/modelFolder.node.ts';
import { methods } from '../../src/methods/index.ts';
import { parameterValues } from '../../src/training/index.ts';
import { feedsOf, goldenFolder, readGolden, readTensors, relativeError, runtime } from './fixtures.ts';
import { lossCurve, openPartial } from './partial.ts';

interface Case {
  readonly turns: number;
  readonly lost: number;
  readonly logits: readonly (readonly number[])[];
}

const golden = readGolden('loftq-tiny.json');
const precisions = ['int4', 'int8'] as const;
const cases = precisions.flatMap((precision) => {
  return (golden[precision] as Case[]).map(({ turns, ...wanted }) => ({ precision, turns, ...wanted }));
});

/** `turns` 0: the usual start over the same base. */
const open = (precision: (typeof precisions)[number], turns: number) =>
  openPartial(
    methods.lora.settings.parse({
      name: 'lora',
      ...golden.settings,
      target_modules: 'all-linear',
      base_precision: precision,
      ...(turns > 0 && { init: 'loftq', loftq_iter: turns }),
    }),
  );
type Opened = Awaited<ReturnType<typeof open>>;

/** What each layer multiplies with, frozen and trained together. */
async function mergedWeights({ program, memory }: Opened): Promise<Map<string, Float32Array>> {
  const outputs = [...program.merged].map(([name, tensor]) => [`merged.${name}`, tensor] as const);
  await using session = await runtime.open(Object.fromEntries(outputs), { threads: 1 });
  const found = await session.run(parameterValues(program, memory));
  return new Map([...program.merged.keys()].map((name) => [name, found[`merged.${name}`]!.data as Float32Array]));
}

/** ‖W − Q − s·BA‖ over all layers. */
async function lostBy(opened: Opened): Promise<number> {
  const base = await openCheckpoint(`${goldenFolder}/bert-tiny/model`);
  let sum = 0;
  for (const [name, merged] of await mergedWeights(opened)) {
    const exact = await base.readFloats(name);
    for (let i = 0; i < exact.length; i++) sum += (exact[i]! - merged[i]!) ** 2;
  }
  await base.close();
  return Math.sqrt(sum);
}

async function logitsOf({ program, memory }: Opened): Promise<Float32Array> {
  const { logits } = program.outputs;
  await using session = await runtime.open({ logits }, { threads: 1 });
  const feeds = feedsOf(await readTensors('bert-tiny/step0.safetensors'));
  return (await session.run({ ...parameterValues(program, memory), ...feeds })).logits!.data as Float32Array;
}

describe.each(cases)('$precision after $turns turns', ({ precision, turns, lost, logits }) => {
  test('as much is lost as by the paper', async () => {
    expect(Math.abs((await lostBy(await open(precision, turns))) / lost - 1)).toBeLessThan(1e-4);
  });

  // Products in 8 bits round what enters them too: only the weights can be compared.
  test.runIf(precision === 'int4')('the model answers as with these weights', async () => {
    expect(relativeError(await logitsOf(await open(precision, turns)), logits.flat())).toBeLessThan(1e-4);
  });
});

test.each(golden.curves as { turns: number; loss: number[] }[])(
  'over a base of int4 the loss curve after $turns turns follows PEFT',
  async ({ turns, loss }) => {
    const given = { name: 'lora', ...golden.settings, target_modules: golden.target_modules };
    const rounding = { base_precision: 'int4', init: 'loftq', loftq_iter: turns };
    const losses = await lossCurve(
      await openPartial(methods.lora.settings.parse({ ...given, ...rounding })),
      golden.plan,
    );
    losses.forEach((value, i) => {
      expect(Math.abs(value / loss[i]! - 1), `step ${i + 1}`).toBeLessThan(1e-4);
    });
  },
);

const distance = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Math.hypot(...Array.from(a, (value, i) => value - b[i]!));

describe.each(precisions.flatMap((precision) => [1, 5].map((turns) => ({ precision, turns }))))(
  'over a base of $precision, $turns turns',
  ({ precision, turns }) => {
    test('every layer gives what is nearer to the exact one than after rounding alone', async () => {
      const [rounded, made] = [
        await mergedWeights(await open(precision, 0)),
        await mergedWeights(await open(precision, turns)),
      ];
      const base = await openCheckpoint(`${goldenFolder}/bert-tiny/model`);
      let compared = 0;
      for (const [name, weight] of made) {
        const exact = await base.readFloats(name);
        const before = distance(outputOf(rounded.get(name)!, name), outputOf(exact, name));
        // In 4 bits the matrices of the feed-forward stay as they are: their sides are no multiples of 32.
        if (before === 0) continue;
        compared++;
        expect(distance(outputOf(weight, name), outputOf(exact, name)), name).toBeLessThan(0.95 * before);
      }
      await base.close();
      expect(compared).toBe(precision === 'int4' ? 13 : 19);
    });

    test('and so does the whole model', async () => {
      const exact = (await readTensors('bert-tiny/step0.safetensors')).get('logits')!.data;
      const before = distance(await logitsOf(await open(precision, 0)), exact);
      expect(distance(await logitsOf(await open(precision, turns)), exact)).toBeLessThan(0.95 * before);
    });
  },
);

/** x·Wᵀ for 64 rows of normal numbers, the same for every form of a weight. */
function outputOf(weight: Float32Array, name: string): number[] {
  const width = name.includes('.output.dense') && !name.includes('attention') ? 48 : 32;
  const draws = stream(3, name);
  return Array.from({ length: 64 }, (_, row) =>
    Array.from({ length: weight.length / width }, (_, out) => {
      let sum = 0;
      for (let i = 0; i < width; i++) sum += normal(draws, row * width + i) * weight[out * width + i]!;
      return sum;
    }),
  ).flat();
}
