import fc from 'fast-check';
import { expect, test } from 'vitest';
import { stream, uniform } from '../engine/random/index.ts';
import { nearDuplicateGroups } from './duplicates.ts';
import { stratifiedSplit } from './stratifiedSplit.ts';

interface Example {
  readonly id: number;
  readonly label: string;
  readonly text: string;
}

const split = (examples: readonly Example[], fraction: number, seed = 1) => {
  const numbers = stream(seed, 'split');
  const random = (counter: number) => uniform(numbers, counter);
  return stratifiedSplit(examples, { fraction, labelOf: ({ label }) => label, textOf: ({ text }) => text, random });
};
const examplesOf = (counts: Record<string, number>): Example[] =>
  Object.entries(counts)
    .flatMap(([label, count]) => Array.from({ length: count }, () => label))
    .map((label, id) => ({ id, label, text: `text ${id}` }));
const countsOf = (examples: readonly Example[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { label } of examples) counts[label] = (counts[label] ?? 0) + 1;
  return counts;
};
const idsOf = (examples: readonly Example[]) => examples.map(({ id }) => id);

test('each label keeps its share, by largest remainder', () => {
  const { train, validation } = split(examplesOf({ a: 70, b: 25, c: 5 }), 0.1);
  // Exact: 7, 2.5 and 0.5; the tie for the tenth row goes to b, which sorts first, and c is raised to one.
  expect(countsOf(validation)).toEqual({ a: 7, b: 3, c: 1 });
  expect(countsOf(train)).toEqual({ a: 63, b: 22, c: 4 });
  expect(countsOf(split(examplesOf({ a: 50, b: 26, c: 24 }), 0.1).validation)).toEqual({ a: 5, b: 3, c: 2 });
});

test('a label of two rows is on both sides, a label of one row is learned', () => {
  const { train, validation } = split(examplesOf({ a: 96, b: 2, c: 1 }), 0.05);
  expect(countsOf(validation)).toEqual({ a: 5, b: 1 });
  expect(countsOf(train)).toEqual({ a: 91, b: 1, c: 1 });
  expect(countsOf(split(examplesOf({ a: 3, b: 2 }), 0.9).train)).toEqual({ a: 1, b: 1 });
});

test('the seed chooses the rows, and only the seed', () => {
  const examples = examplesOf({ a: 50, b: 50 });
  const first = split(examples, 0.2, 7);
  expect(split(examples, 0.2, 7)).toEqual(first);
  expect(idsOf(split(examples, 0.2, 8).validation)).not.toEqual(idsOf(first.validation));
});

test('each row is held back about as often as any other', () => {
  const examples = examplesOf({ a: 20, b: 20 });
  const times = examples.map(() => 0);
  for (let seed = 0; seed < 400; seed++) for (const { id } of split(examples, 0.25, seed).validation) times[id]!++;
  // 100 expected, with a standard deviation of 8.7.
  expect(Math.min(...times)).toBeGreaterThan(100 - 5 * 8.7);
  expect(Math.max(...times)).toBeLessThan(100 + 5 * 8.7);
});

test('near-duplicates stay on one side, even where that costs the exact share', () => {
  const text = Array.from({ length: 45 }, (_, i) => `word${i}`).join(' ');
  const copies = Array.from({ length: 6 }, (_, id) => ({ id, label: 'a', text: `${text} ${id}` }));
  const others = examplesOf({ a: 2, b: 8 }).map((example) => ({ ...example, id: example.id + 6 }));
  for (let seed = 0; seed < 50; seed++) {
    const { validation } = split([...copies, ...others], 0.5, seed);
    expect(validation.filter(({ id }) => id < 6).length).toBe(0);
    expect(countsOf(validation)).toEqual({ a: 2, b: 4 });
  }
});

test('a share that is filled by a group of two takes no more', () => {
  const twice = Array.from({ length: 20 }, (_, id) => ({ id, label: 'a', text: `text ${id >> 1}` }));
  const examples = [
    ...twice,
    ...examplesOf({ a: 4 }).map(({ id }) => ({ id: id + 20, label: 'a', text: `single ${id}` })),
  ];
  for (let seed = 0; seed < 50; seed++) expect(split(examples, 2 / 24, seed).validation.length).toBe(2);
});

test('two groups larger than the share: the smaller one is held back', () => {
  const examples = ['x', 'x', 'x', 'y', 'y'].map((text, id) => ({ id, label: 'a', text }));
  expect(idsOf(split(examples, 0.1).validation)).toEqual([3, 4]);
});

test('what cannot be split is refused', () => {
  const same = Array.from({ length: 4 }, (_, id) => ({ id, label: 'a', text: 'same' }));
  for (const examples of [same, [], examplesOf({ a: 1, b: 1 })]) {
    expect(() => split(examples, 0.5)).toThrow(/no row of \d can be held back.*\n.*\[CONFIG_INVALID\]/);
  }
  for (const fraction of [0, 1, -0.1, Number.NaN]) expect(() => split(examplesOf({ a: 9 }), fraction)).toThrow(/got/);
});

test('whatever the rows: nothing is lost, order stays, no group straddles, no label is only in validation', () => {
  const row = fc.record({ label: fc.constantFrom('a', 'b', 'c'), text: fc.constantFrom(...'pqrstuvwxyz') });
  const fraction = fc.double({ min: 0.05, max: 0.95, noNaN: true });
  fc.assert(
    fc.property(fc.array(row, { minLength: 1, maxLength: 40 }), fraction, fc.nat(), (rows, share, seed) => {
      const examples = rows.map((values, id) => ({ ...values, id }));
      let parts: ReturnType<typeof split>;
      try {
        parts = split(examples, share, seed);
      } catch (error) {
        expect((error as Error).message).toContain('no row of');
        return;
      }
      const train = idsOf(parts.train);
      const validation = idsOf(parts.validation);
      expect(train).toEqual([...train].sort((x, y) => x - y));
      expect(validation).toEqual([...validation].sort((x, y) => x - y));
      expect([...train, ...validation].sort((x, y) => x - y)).toEqual(idsOf(examples));
      expect(validation.length).toBeGreaterThan(0);
      const groups = nearDuplicateGroups(examples.map(({ text }) => text));
      const inTrain = new Set(train.map((id) => groups[id]));
      expect(validation.filter((id) => inTrain.has(groups[id]))).toEqual([]);
      expect(Object.keys(countsOf(parts.train)).sort()).toEqual(Object.keys(countsOf(examples)).sort());
    }),
    { numRuns: 1000 },
  );
});

test('without duplicates every label has its exact target', () => {
  const counts = fc.record({
    a: fc.integer({ min: 2, max: 60 }),
    b: fc.integer({ min: 2, max: 60 }),
    c: fc.integer({ min: 2, max: 9 }),
  });
  fc.assert(
    fc.property(counts, fc.double({ min: 0.05, max: 0.95, noNaN: true }), (of, fraction) => {
      const held = countsOf(split(examplesOf(of), fraction).validation);
      for (const [label, count] of Object.entries(of)) {
        expect(held[label]).toBeGreaterThanOrEqual(Math.max(1, Math.min(count - 1, Math.floor(count * fraction))));
        expect(held[label]).toBeLessThanOrEqual(Math.max(1, Math.min(count - 1, Math.ceil(count * fraction))));
      }
    }),
  );
});
