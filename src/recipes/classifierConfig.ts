import type { ModelSource } from '../inference/modelFolder.node.ts';
import { classificationOf } from '../models/index.ts';

/** config.json as Transformers writes it for a model with a classification head. */
export function classifierConfig({ configFields, description }: ModelSource, labels: readonly string[]) {
  const { _name_or_path: _, ...kept } = configFields;
  return {
    ...kept,
    architectures: [classificationOf(description).architectureName],
    id2label: Object.fromEntries(labels.map((label, i) => [String(i), label])),
    label2id: Object.fromEntries(labels.map((label, i) => [label, i])),
    problem_type: 'single_label_classification',
    dtype: 'float32',
  };
}
