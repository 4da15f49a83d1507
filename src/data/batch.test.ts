import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stream } from '../engine/random/index.ts';
import { batchesByLength, collate, sampleBatches } from './batch.ts';

test('rows are padded to the longest, and padding is masked', () => {
  const { feeds, rows, tokens } = collate(
    [
      { inputIds: [7, 8, 9], tokenTypeIds: [0, 0, 1], label: 1 },
      { inputIds: [7], tokenTypeIds: [0], label: 0 },
    ],
    5,
  );
  const values = (name: string) => [...(feeds[name]!.data as Int32Array)];
  expect({ rows, tokens }).toEqual({ rows: 2, tokens: 4 });
  expect(feeds.input_ids!.shape).toEqual([2, 3]);
  expect(values('input_ids')).toEqual([7, 8, 9, 7, 5, 5]);
  expect(values('attention_mask')).toEqual([1, 1, 1, 1, 0, 0]);
  expect(values('token_type_ids')).toEqual([0, 0, 1, 0, 0, 0]);
  expect(values('position_ids')).toEqual([0, 1, 2, 0, 0, 0]);
  expect(values('labels')).toEqual([1, 0]);
});

const lengths = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 400 });

test.each(['random', 'group_by_length'] as const)('%s sampling shows every row once an epoch', (strategy) => {
  fc.assert(
    fc.property(lengths, fc.integer({ min: 1, max: 33 }), fc.nat(5), (rows, batchSize, epoch) => {
      const batches = sampleBatches({ lengths: rows, batchSize, strategy, stream: stream(1, 'shuffle'), epoch });
      expect(batches.flat().sort((a, b) => a - b)).toEqual([...rows.keys()]);
      expect(batches.length).toBe(Math.ceil(rows.length / batchSize));
    }),
  );
});

test('grouping by length saves padding, and epochs differ', () => {
  const rows = Array.from({ length: 3200 }, (_, i) => 1 + ((i * 7919) % 64));
  const padded = (strategy: 'random' | 'group_by_length') =>
    sampleBatches({ lengths: rows, batchSize: 32, strategy, stream: stream(1, 'shuffle'), epoch: 0 })
      .map((batch) => batch.length * Math.max(...batch.map((row) => rows[row]!)))
      .reduce((a, b) => a + b, 0);
  expect(padded('group_by_length')).toBeLessThan(0.6 * padded('random'));
  const order = (epoch: number) =>
    sampleBatches({ lengths: rows, batchSize: 32, strategy: 'random', stream: stream(1, 'shuffle'), epoch });
  expect(order(0)).not.toEqual(order(1));
  expect(order(0)).toEqual(order(0));
});

test('passes by length start with the longest row', () => {
  expect(batchesByLength([3, 9, 5], 2)).toEqual([[1, 2], [0]]);
});
