import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { gradients } from '../engine/autodiff/index.ts';
import { type HostArray, input, interpret } from '../engine/graph/index.ts';
import { crossEntropy } from './loss.ts';

interface Golden {
  readonly name: string;
  readonly weights: readonly number[] | null;
  readonly label_smoothing: number;
  readonly labels: readonly number[];
  readonly logits: readonly (readonly number[])[];
  readonly sum: number;
  readonly mean: number;
  readonly gradient_of_mean: readonly (readonly number[])[];
}

const { cases } = JSON.parse(
  readFileSync(new URL('../../tests/golden/weighted_loss.json', import.meta.url), 'utf8'),
) as { cases: Golden[] };

test.each(cases)('sum, count and gradient equal PyTorch: $name', (golden) => {
  const width = golden.logits[0]!.length;
  const logits = input('logits', 'float32', ['batch', width]);
  const labels = input('labels', 'int32', ['batch']);
  const classWeights = golden.weights ?? undefined;
  const loss = crossEntropy(logits, labels, { labelSmoothing: golden.label_smoothing, classWeights });
  const rows = golden.labels.length;
  const feeds = new Map<typeof logits, HostArray>([
    [logits, { shape: [rows, width], data: Float64Array.from(golden.logits.flat()) }],
    [labels, { shape: [rows], data: Float64Array.from(golden.labels) }],
  ]);
  const outputs = [loss.sum, loss.count, ...gradients(loss.sum, [logits])];
  const [sum, count, gradient] = interpret(outputs, feeds, { batch: rows }).map(({ data }) => data);
  // The weights are float32 in the graph.
  expect(sum![0]! / golden.sum).toBeCloseTo(1, 6);
  expect(sum![0]! / count![0]! / golden.mean).toBeCloseTo(1, 6);
  golden.gradient_of_mean.flat().forEach((expected, i) => {
    expect(gradient![i]! / count![0]!).toBeCloseTo(expected, 6);
  });
});
