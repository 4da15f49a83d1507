import fc from 'fast-check';
import { expect, test } from 'vitest';
import { collatePacked, packRows } from './packing.ts';

test('texts stand one after the other, each with its own segment and positions', () => {
  const { feeds, rows, tokens } = collatePacked(
    [
      [
        { inputIds: [7, 8], tokenTypeIds: [0, 1], label: 1 },
        { inputIds: [9, 9, 9], tokenTypeIds: [0, 0, 1], label: 0 },
      ],
      [{ inputIds: [4], tokenTypeIds: [0], label: 2 }],
    ],
    5,
  );
  const values = (name: string) => [...(feeds[name]!.data as Int32Array)];
  expect({ rows, tokens }).toEqual({ rows: 3, tokens: 6 });
  expect(feeds.input_ids!.shape).toEqual([2, 5]);
  expect(values('input_ids')).toEqual([7, 8, 9, 9, 9, 4, 5, 5, 5, 5]);
  expect(values('attention_mask')).toEqual([1, 1, 1, 1, 1, 1, 0, 0, 0, 0]);
  expect(values('token_type_ids')).toEqual([0, 1, 0, 0, 1, 0, 0, 0, 0, 0]);
  expect(values('position_ids')).toEqual([0, 1, 0, 1, 2, 0, 0, 0, 0, 0]);
  expect(values('segment_ids')).toEqual([1, 1, 2, 2, 2, 1, 0, 0, 0, 0]);
  expect(values('text_starts')).toEqual([0, 2, 5]);
  expect(values('labels')).toEqual([1, 0, 2]);
});

test('every row is in one sequence, and none is longer than the longest row', () => {
  const lengths = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 80 });
  fc.assert(
    fc.property(lengths, (given) => {
      const sequences = packRows([...given.keys()], given);
      expect(sequences.flat().sort((a, b) => a - b)).toEqual([...given.keys()]);
      const sums = sequences.map((rows) => rows.reduce((sum, row) => sum + given[row]!, 0));
      expect(Math.max(...sums)).toBe(Math.max(...given));
    }),
  );
});

test('short rows fill the room beside long ones', () => {
  expect(packRows([0, 1, 2, 3, 4], [9, 2, 7, 3, 6])).toEqual([[0], [2, 1], [4, 3]]);
});
