import { describe, expect, test } from 'vitest';
import { normal, stream } from '../../engine/random/index.ts';
import { emptyHistory, type History, median, type Observation, remember, robustScore, symptomOf } from './spikes.ts';

const seen = (loss: number, gradientNorm = 1, rows = 32): Observation => ({ step: 1, loss, gradientNorm, rows });
const historyOf = (steps: readonly Observation[], chance?: number): History =>
  steps.reduce((history, step) => remember(history, step, chance), emptyHistory);
/** Losses around 0.3 and norms around 1, as a run in its middle has them. */
const steady = Array.from({ length: 60 }, (_, i) => seen(0.3 + 0.05 * Math.sin(i * 7), 1 + 0.3 * Math.sin(i * 3)));
const kindOf = (history: History, step: Observation) => symptomOf(history, step)?.kind;

test.each([
  [seen(Number.NaN), 'the loss is NaN'],
  [seen(Number.POSITIVE_INFINITY), 'the loss is Infinity'],
  [seen(0.5, Number.NaN), 'the gradient norm is NaN'],
])('what is not finite is a symptom from the first step on', (step, reason) => {
  expect(symptomOf(emptyHistory, step)).toEqual({ kind: 'not_finite', reason });
});

describe('a loss', () => {
  test('that jumps out of its window is a spike, and says by how much', () => {
    const history = historyOf([seen(Math.LN2), ...steady]);
    expect(symptomOf(history, seen(1.5))).toEqual({
      kind: 'loss_spike',
      reason: expect.stringMatching(/^the loss is 1\.5, [45]\.\d+ times that of the last steps$/),
    });
    expect(kindOf(history, seen(0.9))).toBeUndefined();
  });

  test('needs a score and a ratio: far from a narrow window is not enough, nor large in a wide one', () => {
    const narrow = historyOf(Array.from({ length: 50 }, () => seen(0.6)));
    expect(robustScore(narrow.losses, 1.15)).toBeGreaterThan(6);
    expect(kindOf(narrow, seen(1.15))).toBeUndefined();
    const wide = historyOf(
      Array.from({ length: 50 }, (_, i) => seen(Math.exp(-((i * 7) % 8)), 1, 4)),
      0.69,
    );
    expect(kindOf(wide, seen(2.5, 1, 4))).toBeUndefined();
  });

  test('is compared with chance before there is a window: twice for a batch, more for a few rows', () => {
    const first = historyOf([seen(0.1)], Math.LN2);
    expect(kindOf(first, seen(1.5))).toBe('loss_spike');
    expect(kindOf(first, seen(1.3))).toBeUndefined();
    expect(kindOf(first, seen(8, 1, 1))).toBeUndefined();
    expect(kindOf(emptyHistory, seen(20))).toBeUndefined();
  });
});

describe('a gradient norm', () => {
  const history = historyOf(steady);
  test('that jumps out of its window is a spike', () => {
    expect(symptomOf(history, seen(0.3, 80))).toMatchObject({ kind: 'gradient_spike' });
    expect(kindOf(history, seen(0.3, 6))).toBeUndefined();
  });

  test('of a model that is sure, and meets a row with the wrong label, is no spike', () => {
    const sure = [...steady, ...Array.from({ length: 50 }, (_, i) => seen(0.001, 0.5 + 0.01 * (i % 7), 8))];
    expect(kindOf(historyOf(sure), seen(0.8, 55, 8))).toBeUndefined();
  });

  test('may grow, as it does where a model begins to learn', () => {
    let growing = history;
    for (let norm = 1.3; norm < 1000; norm *= 1.3) {
      expect(kindOf(growing, seen(0.3, norm))).toBeUndefined();
      growing = remember(growing, seen(0.3, norm));
    }
  });
});

test.each([1, 4, 32])('losses and norms with long tails, as batches of %i rows give them, are no spikes', (rows) => {
  for (let seed = 0; seed < 50; seed++) {
    const random = stream(seed, 'losses');
    let history = emptyHistory;
    for (let i = 0; i < 200; i++) {
      // Most rows are learned; a row that is surely wrong costs about 8.
      const lossOf = (row: number): number => Math.min(8, Math.exp(-3 + 2 * normal(random, i * 64 + row)));
      const loss = Array.from({ length: rows }, (_, row) => lossOf(row)).reduce((a, b) => a + b) / rows;
      const step = seen(loss, Math.exp(1.2 * normal(random, i * 64 + 63)), rows);
      expect(symptomOf(history, step)).toBeUndefined();
      history = remember(history, step, Math.LN2);
    }
  }
});

test('the window forgets, the history stays plain data', () => {
  const history = historyOf([seen(5), ...steady, ...steady]);
  expect(history.losses).toHaveLength(50);
  expect(Math.max(...history.losses)).toBeLessThan(1);
  expect(JSON.parse(JSON.stringify(history))).toEqual(history);
  expect(history.usualLoss).toBe(5);
});

test('the median of an even number of values lies between the two in the middle', () => {
  expect(median([4, 1, 3, 2])).toBe(2.5);
  expect(median([9, 1, 2])).toBe(2);
});
