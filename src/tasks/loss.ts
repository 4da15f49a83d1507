/** A loss is a sum and a count. Nobody divides but the trainer, once, over the whole optimizer step. */
import { constant, type Tensor } from '../engine/graph/index.ts';
import { add, less, logSumExp, meanLast, mul, pick, reshape, sub, sumAll, where } from '../engine/ops/index.ts';
import { counts } from '../models/nn/index.ts';

export interface Loss {
  readonly sum: Tensor;
  readonly count: Tensor;
}

interface Smoothing {
  /** Share of the target that is spread evenly over all labels (https://arxiv.org/abs/1512.00567). */
  readonly labelSmoothing?: number;
}

/** −log softmax(logits)[label] where the label is not −100. logits [..., V], labels [...] */
export function crossEntropy(logits: Tensor, labels: Tensor, { labelSmoothing = 0 }: Smoothing = {}): Loss {
  const scored = counts(labels);
  const zero = constant(0, 'int32');
  const safe = where(less(labels, zero), zero, labels);
  const normaliser = logSumExp(logits); // [..., 1]
  const exact = sub(normaliser, pick(logits, safe)); // [..., 1]
  const even = (): Tensor => sub(normaliser, meanLast(logits)); // [..., 1]
  const smoothed = labelSmoothing ? add(mul(exact, 1 - labelSmoothing), mul(even(), labelSmoothing)) : exact;
  return { sum: sumAll(mul(reshape(smoothed, labels.shape), scored)), count: sumAll(scored) };
}
