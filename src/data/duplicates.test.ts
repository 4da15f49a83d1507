import fc from 'fast-check';
import { expect, test } from 'vitest';
import { duplicateCounts, leakage, nearDuplicateGroups } from './duplicates.ts';
import { fingerprint } from './fingerprint.ts';
import { eachSimilarPair } from './similarPairs.ts';

const words = (count: number, prefix = 'word'): string[] => Array.from({ length: count }, (_, i) => `${prefix}${i}`);
const replaced = (texts: readonly string[], at: number, by: string): string[] =>
  texts.map((t, i) => (i === at ? by : t));

test('case, width, punctuation and spaces make no difference; letters, marks and digits do', () => {
  const same = [
    'Free CASH, now!',
    ' free cash now ',
    'ＦＲＥＥ　ｃａｓｈ… now',
    'free-cash\nnow',
    'ﬁne'.replace('ﬁne', 'Free cash now?'),
  ];
  expect(nearDuplicateGroups(same)).toEqual([0, 0, 0, 0, 0]);
  expect(nearDuplicateGroups(['free cash now 1', 'free cash now 2', 'free cash', 'freecash'])).toEqual([0, 1, 2, 3]);
  expect(nearDuplicateGroups(['กิน', 'กน', 'café', 'cafe'])).toEqual([0, 1, 2, 3]);
});

test('texts without letters are compared by their signs', () => {
  expect(nearDuplicateGroups(['!!!', '???', ' !!! ', '😀', '😡', ''])).toEqual([0, 1, 0, 2, 3, 4]);
});

test('of 45 words a change at the end is near, in the middle it is not', () => {
  // 41 shingles: a word changed at the end spoils 1 of them (40/42), two words apart in the middle spoil 10 (31/51).
  const text = words(45);
  const atEnd = replaced(text, 44, 'other').join(' ');
  const inMiddle = replaced(replaced(text, 15, 'other'), 30, 'another').join(' ');
  expect(nearDuplicateGroups([text.join(' '), atEnd, inMiddle])).toEqual([0, 0, 1]);
});

test('similarity of exactly 4/5 is near, anything below is not', () => {
  // Prefixes of one text: 8 of 10 shingles, 7 of 9.
  const text = words(14);
  const prefix = (count: number) => text.slice(0, count).join(' ');
  expect(nearDuplicateGroups([prefix(14), prefix(12)])).toEqual([0, 0]);
  expect(nearDuplicateGroups([prefix(13), prefix(11)])).toEqual([0, 1]);
});

test('in scripts without spaces the 5-grams are of characters', () => {
  const review = '送的面食就提前确认好位置嘛送了一个小时要客户一遍遍催面放一个小时基本就不能吃了';
  expect(nearDuplicateGroups([review, `${review}！哦`, `${review.slice(0, 20)}吧${review.slice(25)}`])).toEqual([
    0, 0, 1,
  ]);
  expect(nearDuplicateGroups(['太慢了', '太慢了啊', '太 慢了'])).toEqual([0, 1, 0]);
});

test('links make groups: a ~ b and b ~ c, though a is far from c', () => {
  const text = words(60);
  const [a, b, c] = [text.slice(0, 50), text.slice(5, 55), text.slice(10, 60)].map((part) => part.join(' '));
  expect(nearDuplicateGroups([a!, c!])).toEqual([0, 1]);
  expect(nearDuplicateGroups([a!, c!, b!])).toEqual([0, 0, 0]);
});

test('counts tell repeats from near repeats', () => {
  const text = words(45);
  const near = replaced(text, 44, 'other').join(' ');
  const texts = [text.join(' '), near, near.toUpperCase(), 'x', 'X', 'x!', 'y'];
  expect(duplicateCounts(texts)).toEqual({ exact: 3, near: 1 });
  expect(duplicateCounts([])).toEqual({ exact: 0, near: 0 });
});

/** Edited copies of a few texts, so that similarities of all degrees occur. */
const families = fc
  .array(
    fc.record({
      family: fc.integer({ min: 0, max: 2 }),
      length: fc.integer({ min: 1, max: 30 }),
      edits: fc.array(fc.nat({ max: 29 }), { maxLength: 3 }),
    }),
    { minLength: 2, maxLength: 14 },
  )
  .map((texts) =>
    texts.map(({ family, length, edits }, i) =>
      edits.reduce((text, at) => replaced(text, at, `edit${i % 3}`), words(length, `f${family}w`)).join(' '),
    ),
  );

function shingleSet(text: string): Set<string> {
  const tokens = text.split(' ');
  const length = Math.min(5, tokens.length);
  return new Set(tokens.slice(length - 1).map((_, i) => tokens.slice(i, i + length).join(' ')));
}

function isNear(a: string, b: string): boolean {
  const [left, right] = [shingleSet(a), shingleSet(b)];
  const common = [...left].filter((shingle) => right.has(shingle)).length;
  return 5 * common >= 4 * (left.size + right.size - common);
}

test('the search finds exactly the pairs that comparing all with all finds', () => {
  fc.assert(
    fc.property(families, (texts) => {
      const found: string[] = [];
      const sets = texts.map((text) => fingerprint(text).shingles);
      eachSimilarPair(sets, { wanted: () => true, found: (a, b) => found.push(`${Math.min(a, b)} ${Math.max(a, b)}`) });
      const pairs = texts.flatMap((a, i) => texts.slice(i + 1).map((b, j) => ({ a, b, key: `${i} ${i + 1 + j}` })));
      const expected = pairs.filter(({ a, b }) => isNear(a, b)).map(({ key }) => key);
      expect(found.sort()).toEqual(expected.sort());
    }),
    { numRuns: 1500 },
  );
});

test('groups are the connected near texts, numbered as they begin', () => {
  fc.assert(
    fc.property(families, (texts) => {
      const groups = nearDuplicateGroups(texts);
      const expected = texts.map((_, i) => i);
      for (let changed = true; changed; ) {
        changed = false;
        for (const [i, a] of texts.entries()) {
          for (const [j, b] of texts.entries()) {
            if (expected[i]! < expected[j]! && isNear(a, b)) {
              expected[j] = expected[i]!;
              changed = true;
            }
          }
        }
      }
      const order = [...new Set(expected)];
      expect(groups).toEqual(expected.map((first) => order.indexOf(first)));
    }),
    { numRuns: 300 },
  );
});

const example = (text: string, where: string, pair?: string) => ({ text, where, ...(pair !== undefined && { pair }) });

test('leakage names the first training row that each validation row repeats', () => {
  const text = words(45);
  const near = replaced(text, 44, 'other').join(' ');
  const train = [
    example('x', 't:1'),
    example(near, 't:2'),
    example(`${text.join(' ')} more`, 't:3'),
    example('X!', 't:4'),
    example(near.toUpperCase(), 't:5'),
  ];
  const validation = [
    ...[example('new', 'v:1'), example('x?', 'v:2'), example(text.join(' '), 'v:3')],
    ...[example('new', 'v:4'), example(near, 'v:5'), example(text.join(' '), 'v:6')],
  ];
  expect(leakage(train, validation)).toEqual([
    { train: 't:1', validation: 'v:2', kind: 'exact' },
    { train: 't:2', validation: 'v:3', kind: 'near' },
    { train: 't:2', validation: 'v:5', kind: 'exact' },
    { train: 't:2', validation: 'v:6', kind: 'near' },
  ]);
  expect(leakage([], validation)).toEqual([]);
});

test('leakage finds what comparing all with all finds', () => {
  fc.assert(
    fc.property(families, families, (trained, validated) => {
      const leaks = leakage(
        trained.map((text, i) => example(text, `t:${i}`)),
        validated.map((text, i) => example(text, `v:${i}`)),
      );
      const expected = validated.flatMap((text, i) => {
        const same = trained.indexOf(text);
        const near = trained.findIndex((other) => isNear(text, other));
        if (same >= 0) return { train: `t:${same}`, validation: `v:${i}`, kind: 'exact' };
        return near < 0 ? [] : { train: `t:${near}`, validation: `v:${i}`, kind: 'near' };
      });
      expect(leaks).toEqual(expected);
    }),
    { numRuns: 500 },
  );
});

test('both texts of a pair count', () => {
  const train = [example('a', 't:1', 'b')];
  expect(leakage(train, [example('a', 'v:1', 'c'), example('a', 'v:2'), example('A', 'v:3', 'B')])).toEqual([
    { train: 't:1', validation: 'v:3', kind: 'exact' },
  ]);
});

test('texts that share what is common are not compared; those that share what is rare are', () => {
  const boilerplate = words(60);
  const sets = Array.from({ length: 300 }, (_, i) => {
    return fingerprint([...words(10, `own${i}w`), ...words(14, `rare${i % 150}w`), ...boilerplate].join(' ')).shingles;
  });
  let compared = 0;
  eachSimilarPair(sets, { wanted: () => ++compared > 0, found: () => undefined });
  expect(compared).toBe(150);
});

test('thousands of texts from one template are searched within the time of a test, alike or not', () => {
  const template = words(100);
  const of = (i: number, changes: number) =>
    Array.from({ length: changes }, (_, k) => 10 + 20 * k)
      .reduce((text, at) => replaced(text, at, `n${i}k${at}`), template)
      .join(' ');
  expect(new Set(nearDuplicateGroups(Array.from({ length: 3000 }, (_, i) => of(i, 2)))).size).toBe(1);
  expect(new Set(nearDuplicateGroups(Array.from({ length: 3000 }, (_, i) => of(i, 3)))).size).toBe(3000);
});
