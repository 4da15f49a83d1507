import { expect, test } from 'vitest';
import { batchesByLength, collate, IGNORED } from './batch.ts';
import { collatePacked } from './packing.ts';

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

test('tokens to learn are told by the place before each', () => {
  const labels = [
    [-100, 8, -100, 9],
    [7, 5],
  ];
  const row = (own: number[]) => ({ inputIds: own.map((label) => Math.abs(label)), labels: own, label: IGNORED });
  const { feeds } = collate(labels.map(row), 5);
  const values = (name: string) => [...(feeds[name]!.data as Int32Array)];
  expect(values('labels')).toEqual([8, 9, 5]);
  expect(values('target_places')).toEqual([0, 2, 4]);
  expect(values('target_sequences')).toEqual([0, 0, 1]);
  // In one sequence no text learns the first token of the one after it.
  const packed = collatePacked([labels.map(row)], 5).feeds;
  expect([...(packed['labels']!.data as Int32Array)]).toEqual([8, 9, 5]);
  expect([...(packed['target_places']!.data as Int32Array)]).toEqual([0, 2, 4]);
  expect([...(packed['target_sequences']!.data as Int32Array)]).toEqual([0, 0, 0]);
});

test('passes by length start with the longest row', () => {
  expect(batchesByLength([3, 9, 5], 2)).toEqual([[1, 2], [0]]);
});
