import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ClassificationExample } from './classification.ts';
import { checkLabels, labelNames } from './labels.ts';

const labelled = (...labels: (string | undefined)[]): ClassificationExample[] =>
  labels.map((label, i) => ({ text: 't', where: `d.csv:${i + 2}`, ...(label !== undefined && { label }) }));

test.each([
  [
    ['b', 'a', 'b'],
    ['a', 'b'],
  ],
  [
    ['10', '9', '-1', '2.5'],
    ['-1', '2.5', '9', '10'],
  ],
  [
    ['10', '9', 'none'],
    ['10', '9', 'none'],
  ],
  [
    ['1.0', '1', '0'],
    ['0', '1', '1.0'],
  ],
  [
    ['1e3', '20'],
    ['20', '1e3'],
  ],
  [
    ['a', 'B', 'é', 'z'],
    ['B', 'a', 'z', 'é'],
  ],
  [
    ['\u{1f600}', '\uff5e', 'ab', 'a'],
    ['a', 'ab', '\uff5e', '\u{1f600}'],
  ],
  [
    ['Infinity', '2', '10'],
    ['10', '2', 'Infinity'],
  ],
])('%j in order: %j', (labels, sorted) => {
  expect(labelNames(labelled(...labels))).toEqual(sorted);
});

test('the order of the rows does not matter', () => {
  const names = fc.uniqueArray(fc.oneof(fc.string({ unit: 'binary' }), fc.integer().map(String)), {
    minLength: 2,
    maxLength: 8,
  });
  const withShuffle = names.chain((labels) =>
    fc.tuple(fc.constant(labels), fc.shuffledSubarray(labels, { minLength: labels.length })),
  );
  fc.assert(
    fc.property(withShuffle, ([labels, shuffled]) => {
      const sorted = labelNames(labelled(...labels));
      expect(labelNames(labelled(...shuffled, ...labels))).toEqual(sorted);
      expect([...sorted].sort()).toEqual([...labels].sort());
    }),
  );
});

test('fewer than two labels cannot be learned', () => {
  expect(() => labelNames(labelled('a', 'a'))).toThrow("data.train: the only label in 2 rows is 'a'");
  expect(() => labelNames(labelled('a'), ['a', 'b'])).toThrow(/\[DATA_LABELS\]/);
  expect(() => labelNames(labelled(undefined))).toThrow('no label in 1 row\n');
});

test('the order of a model is kept, and its labels bind', () => {
  expect(labelNames(labelled('a', 'b'), ['b', 'c', 'a'])).toEqual(['b', 'c', 'a']);
  const unknown = () => labelNames(labelled('positive', 'negativ', 'neutral', 'negativ'), ['negative', 'positive']);
  expect(unknown).toThrow(
    /^d\.csv:3: the label 'negativ' is unknown, the model has no such label \(rows d\.csv:3, d\.csv:5\)/,
  );
  expect(unknown).toThrow(/did you mean 'negative'\?/);
  expect(unknown).toThrow(/\nd\.csv:4: the label 'neutral' is unknown/);
});

test('a label that training lacks is one problem, with its rows and the nearest label', () => {
  const examples = labelled('spam', 'span', 'ham', undefined, ...Array<string>(6).fill('span'), 'other');
  expect(checkLabels(examples, ['ham', 'spam'])).toEqual({
    problemCount: 2,
    problems: [
      {
        code: 'DATA_LABELS',
        line: 3,
        where: 'd.csv:3',
        problem:
          "the label 'span' is unknown, no training row has it" +
          ' (rows d.csv:3, d.csv:6, d.csv:7, d.csv:8, d.csv:9 and 2 more)',
        fix: "did you mean 'spam'? the known labels are: ham, spam",
      },
      {
        code: 'DATA_LABELS',
        line: 12,
        where: 'd.csv:12',
        problem: "the label 'other' is unknown, no training row has it",
        fix: 'the known labels are: ham, spam',
      },
    ],
  });
  expect(checkLabels(labelled('ham'), ['ham', 'spam']).problemCount).toBe(0);
});
