/** Texts that share a sequence learn as if each stood alone. */
import { beforeAll, describe, expect, test } from 'vitest';
import { collate, type EncodedRow } from '../../src/data/batch.ts';
import { collatePacked, packRows } from '../../src/data/packing.ts';
import { openCheckpoint, requireJson } from '../../src/files/modelFolder.node.ts';
import { attachMethod, type MethodSettings } from '../../src/methods/index.ts';
import { describeModel } from '../../src/models/index.ts';
import { type Batch, buildProgram, packedInputs } from '../../src/models/nn/index.ts';
import { classify } from '../../src/tasks/index.ts';
import { allocateParameters, loadParameters, openTrainer } from '../../src/training/index.ts';
import { goldenFolder, relativeError, runtime } from '../golden/fixtures.ts';
import { everyMethod } from './everyMethod.ts';

const lengths = [3, 17, 5, 31, 8, 8, 26, 4, 12, 31, 6, 19];
const rows = lengths.map(
  (length, row): EncodedRow => ({
    inputIds: Array.from({ length }, (_, at) => 5 + ((row * 31 + at * 17) % 90)),
    tokenTypeIds: Array.from({ length }, (_, at) => (2 * at > length ? 1 : 0)),
    label: row % 3,
  }),
);
const folder = `${goldenFolder}/bert-tiny/model`;
const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };

async function openLearning(method: MethodSettings, { batch, dropout = 0 }: { batch?: Batch; dropout?: number }) {
  const description = describeModel(await requireJson(folder, 'config.json'), folder);
  const { architecture } = description;
  const program = buildProgram(classify(description, { numLabels: 3 }), {
    methods: [attachMethod(method, architecture)],
    dropoutRate: () => dropout,
    ...(batch && { batch }),
  });
  const parameters = program.parameters.map(({ parameter }) => parameter);
  const memory = allocateParameters(parameters);
  const base = { ...(await openCheckpoint(folder)), where: folder };
  await loadParameters(memory, parameters, { base, architecture, seed: 0 });
  await base.close();
  // What starts at zero would leave a part of the gradients zero too.
  for (const { parameter, arrays } of memory.trained.values()) {
    if (parameter.added) arrays.weight.set(arrays.weight.map((value, i) => value + Math.sin(i) / 20));
  }
  const trainer = await openTrainer(program, { memory, open: runtime.open, threads: 2, seed: 0, optimizer });
  return { trainer, memory };
}

const packed = (members: readonly EncodedRow[]) => {
  const sequences = packRows(
    [...members.keys()],
    members.map(({ inputIds }) => inputIds.length),
  );
  return collatePacked(
    sequences.map((sequence) => sequence.map((row) => members[row]!)),
    0,
  );
};

/** What stands before a sequence would be one text's alone. */
const isPackable = ([name]: readonly [string, unknown]): boolean => !/^(prompt_tuning|p_tuning)$/.test(name);

test.each(Object.entries(everyMethod).filter((entry) => !isPackable(entry)))('%s is refused', async (_, method) => {
  await expect(openLearning(method, { batch: packedInputs() })).rejects.toMatchObject({ where: 'data.packing' });
});

describe.each(Object.entries(everyMethod).filter(isPackable))('%s', (_, method) => {
  type Learning = Awaited<ReturnType<typeof openLearning>>;
  let plain: Learning;
  let packing: Learning;
  beforeAll(async () => {
    plain = await openLearning(method, {});
    packing = await openLearning(method, { batch: packedInputs() });
  });

  test('the loss and every gradient of a packed batch are those of the padded one', async () => {
    const batch = packed(rows);
    expect(batch.feeds.input_ids!.shape[0]).toBeLessThan(rows.length);
    const expected = await plain.trainer.gradients([collate(rows, 0)], 1);
    const found = await packing.trainer.gradients([batch], 1);
    expect(found.count).toBe(expected.count);
    expect(Math.abs(found.sum / expected.sum - 1)).toBeLessThan(1e-5);
    const trained = [...plain.memory.trained];
    const largest = Math.max(...trained.map(([, { arrays }]) => Math.max(...arrays.gradient.map(Math.abs))));
    for (const [name, { parameter, arrays }] of trained) {
      const floor = name.endsWith('key.bias') ? largest : 1e-30;
      const gradient = packing.memory.trained.get(name)!.arrays.gradient;
      // Of what methods add, PyTorch's own float32 gradients are up to 1.1e-5 from the exact ones (peft-tiny/cases.json).
      expect(relativeError(gradient, arrays.gradient, floor), name).toBeLessThan(parameter.added ? 2e-5 : 1e-5);
    }
  });

  test('so is the loss of each text, whatever stands beside it', async () => {
    for (const [i, row] of rows.entries()) {
      const alone = await plain.trainer.gradients([collate([row], 0)], 1);
      // −100: the neighbours are read, but not scored.
      const members = rows.map((other, at) => (at === i ? row : { ...other, label: -100 }));
      const found = await packing.trainer.gradients([packed(members)], 1);
      expect(found.count).toBe(1);
      expect(Math.abs(found.sum / alone.sum - 1)).toBeLessThan(1e-5);
    }
  });
});

test('dropout draws for packed texts too', async () => {
  const { trainer } = await openLearning(everyMethod.full, { batch: packedInputs(), dropout: 0.1 });
  const batch = packed(rows);
  const sums: number[] = [];
  for (const step of [1, 1, 2]) sums.push((await trainer.gradients([batch], step)).sum);
  expect(sums[1]).toBe(sums[0]);
  expect(sums[2]).not.toBe(sums[0]);
});
