import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { stream } from '../engine/random/index.ts';
import { cutByTokens, type SamplingOptions, sampleBatches } from './sampling.ts';

const shuffle = stream(1, 'shuffle');
const lengths = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 1, maxLength: 400 });
const padded = (batch: readonly number[], rows: readonly number[]) =>
  batch.length * Math.max(...batch.map((row) => rows[row]!));

describe.each(['random', 'group_by_length'] as const)('%s sampling', (strategy) => {
  test('shows every row once an epoch', () => {
    fc.assert(
      fc.property(lengths, fc.integer({ min: 1, max: 33 }), fc.nat(5), (rows, batchSize, epoch) => {
        const batches = sampleBatches({ lengths: rows, size: { rows: batchSize }, strategy, stream: shuffle, epoch });
        expect(batches.flat().sort((a, b) => a - b)).toEqual([...rows.keys()]);
        expect(batches.length).toBe(Math.ceil(rows.length / batchSize));
      }),
    );
  });

  test('by tokens shows every row once an epoch too, and keeps to the budget', () => {
    fc.assert(
      fc.property(lengths, fc.integer({ min: 1, max: 300 }), fc.nat(5), (rows, tokens, epoch) => {
        const batches = sampleBatches({ lengths: rows, size: { tokens }, strategy, stream: shuffle, epoch });
        expect(batches.flat().sort((a, b) => a - b)).toEqual([...rows.keys()]);
        for (const batch of batches) if (batch.length > 1) expect(padded(batch, rows)).toBeLessThanOrEqual(tokens);
      }),
    );
  });

  test('is a function of seed, name and epoch', () => {
    const rows = Array.from({ length: 500 }, (_, i) => 1 + ((i * 7919) % 64));
    for (const size of [{ rows: 8 }, { tokens: 256 }]) {
      const order = (changed: Partial<SamplingOptions>) =>
        sampleBatches({ lengths: rows, size, strategy, stream: shuffle, epoch: 0, ...changed });
      expect(order({})).toEqual(order({}));
      expect(order({ epoch: 1 })).not.toEqual(order({}));
      expect(order({ stream: stream(2, 'shuffle') })).not.toEqual(order({}));
    }
  });
});

test('grouping by length saves padding', () => {
  const rows = Array.from({ length: 3200 }, (_, i) => 1 + ((i * 7919) % 64));
  const total = (strategy: SamplingOptions['strategy']) =>
    sampleBatches({ lengths: rows, size: { rows: 32 }, strategy, stream: shuffle, epoch: 0 })
      .map((batch) => padded(batch, rows))
      .reduce((a, b) => a + b, 0);
  expect(total('group_by_length')).toBeLessThan(0.6 * total('random'));
});

test('a budget is used up: few batches, none of them a small rest', () => {
  const rows = Array.from({ length: 3200 }, (_, i) => 1 + ((i * 7919) % 64));
  const size = { tokens: 1024 };
  const batches = sampleBatches({ lengths: rows, size, strategy: 'group_by_length', stream: shuffle, epoch: 0 });
  const sizes = batches.map((batch) => padded(batch, rows));
  expect(sizes.reduce((a, b) => a + b, 0) / sizes.length).toBeGreaterThan(900);
  expect(Math.min(...sizes)).toBeGreaterThan(600);
});

test('cuts are the fewest, and of these the most even', () => {
  fc.assert(
    fc.property(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 9 }),
      fc.integer({ min: 9, max: 40 }),
      (given, budget) => {
        const every = allCuts([...given.keys()]).filter((cut) => cut.every((part) => padded(part, given) <= budget));
        const fewest = Math.min(...every.map((cut) => cut.length));
        const largest = (cut: number[][]) => Math.max(...cut.map((part) => padded(part, given)));
        const best = Math.min(...every.filter((cut) => cut.length === fewest).map(largest));
        const cut = cutByTokens([...given.keys()], given, { tokens: budget });
        expect([cut.length, largest(cut)]).toEqual([fewest, best]);
        expect(cut.flat()).toEqual([...given.keys()]);
      },
    ),
  );
});

/** Every way to cut a sequence. */
function allCuts(rows: number[]): number[][][] {
  if (rows.length === 0) return [[]];
  return rows.flatMap((_, i) => allCuts(rows.slice(i + 1)).map((rest) => [rows.slice(0, i + 1), ...rest]));
}

test('packed rows are counted without padding', () => {
  const rows = [9, 2, 7, 4];
  expect(cutByTokens([0, 1, 2, 3], rows, { tokens: 11, packed: true })).toEqual([
    [0, 1],
    [2, 3],
  ]);
  expect(cutByTokens([0, 1, 2, 3], rows, { tokens: 11 })).toEqual([[0], [1], [2], [3]]);
});

test('a row beyond the budget stands alone', () => {
  expect(cutByTokens([0, 1, 2], [9, 2, 2], { tokens: 4 })).toEqual([[0], [1, 2]]);
});
