/** A loss is a sum and a count. Nobody divides but the trainer, once, over the whole optimizer step. */
import { constant, type Tensor } from '../engine/graph/index.ts';
import { add, gather, less, logSumExp, meanLast, mul, pick, reshape, sub, sumAll, where } from '../engine/ops/index.ts';
import { counts } from '../models/nn/index.ts';

export interface Loss {
  /** Of each label, in the order of the labels; 0 where it does not count. */
  readonly each: Tensor;
  readonly sum: Tensor;
  readonly count: Tensor;
}

export interface LossSettings {
  /** Share of the target that is spread evenly over all labels (https://arxiv.org/abs/1512.00567). */
  readonly labelSmoothing?: number | undefined;
  /** How much a row of each label counts, as torch.nn.CrossEntropyLoss(weight); left out: all the same. */
  readonly classWeights?: readonly number[] | undefined;
}

/** −log softmax(logits)[label] where the label is not −100. logits [..., V], labels [...] */
export function crossEntropy(logits: Tensor, labels: Tensor, settings: LossSettings = {}): Loss {
  const normaliser = logSumExp(logits); // [..., 1]
  return lossOf(
    {
      normaliser,
      target: (safe) => pick(logits, safe),
      even: () => evenLoss(logits, normaliser, settings.classWeights),
    },
    labels,
    settings,
  );
}

/** What a loss reads of scores: their normaliser, that of a label, and the loss of a target that is spread evenly. */
interface Scores {
  /** [..., 1] */
  readonly normaliser: Tensor;
  /** The score of each label, [..., 1], for labels that are all in range. */
  target(labels: Tensor): Tensor;
  /** [..., 1] */
  even(): Tensor;
}

/** The loss from scores that need not be at hand as a whole. */
export function lossOf({ normaliser, target, even }: Scores, labels: Tensor, settings: LossSettings): Loss {
  const { labelSmoothing = 0, classWeights } = settings;
  const scored = counts(labels); // [...]
  const zero = constant(0, 'int32');
  const safe = where(less(labels, zero), zero, labels);
  const weight = classWeights ? mul(scored, gather(constant(classWeights), safe)) : scored; // [...]
  const exact = mul(reshape(sub(normaliser, target(safe)), labels.shape), weight);
  const count = sumAll(weight);
  if (labelSmoothing === 0) return { each: exact, sum: sumAll(exact), count };
  const spread = mul(reshape(even(), labels.shape), scored);
  const each = add(mul(exact, 1 - labelSmoothing), mul(spread, labelSmoothing));
  return { each, sum: sumAll(each), count };
}

/** The loss of a target that is spread evenly. Each label brings its own weight, and not that of the row's. [..., 1] */
function evenLoss(logits: Tensor, normaliser: Tensor, classWeights: LossSettings['classWeights']): Tensor {
  if (!classWeights) return sub(normaliser, meanLast(logits));
  const mean = classWeights.reduce((a, b) => a + b, 0) / classWeights.length;
  return sub(mul(normaliser, mean), meanLast(mul(logits, constant(classWeights))));
}
