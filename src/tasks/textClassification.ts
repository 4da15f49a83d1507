/** One label for a whole text, or for a pair of texts. */
import type { Tensor } from '../engine/graph/index.ts';
import { classificationOf, type ModelDescription } from '../models/index.ts';
import { type Batch, linear, type Scope } from '../models/nn/index.ts';
import { crossEntropy, type Loss, type LossSettings } from './loss.ts';

export interface ClassificationSettings extends LossSettings {
  readonly numLabels: number;
}

export interface ClassificationOutputs {
  /** R texts: [R, L] */
  readonly logits: Tensor;
  readonly loss: Loss;
}

/** The model with a classification head: what a program is built from. */
export function classify(description: ModelDescription, { numLabels, ...settings }: ClassificationSettings) {
  const { architecture, config } = description;
  const { head, bias, dropoutRate, summary } = classificationOf(description);
  return (root: Scope, batch: Batch): ClassificationOutputs => {
    const base = root.at(architecture.prefix);
    const read = summary(base, batch, config); // [R, D]
    const scope = root.at(head);
    const dropped = scope.dropout(read, dropoutRate(config));
    const fresh = { normal: { standardDeviation: config.initializer_range } };
    const logits = linear(scope, dropped, { out: numLabels, bias, fresh, head: true }); // [R, L]
    return { logits, loss: crossEntropy(logits, batch.labels, settings) };
  };
}
