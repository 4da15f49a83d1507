/** How the classes are filled. */
import type { ClassificationExample } from './classification.ts';
import { sortedLabels } from './labels.ts';

export interface ClassCount {
  readonly label: string;
  readonly count: number;
  /** The share of all labelled rows. */
  readonly share: number;
}

/** Rows by label; `names` fixes the order and adds the labels that no row has. Rows without a label are not counted. */
export function classBalance(examples: readonly ClassificationExample[], names: readonly string[] = []): ClassCount[] {
  const counts = new Map(names.map((name) => [name, 0]));
  const labels = examples.flatMap(({ label }) => label ?? []);
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  const order = [...names, ...sortedLabels([...counts.keys()].filter((label) => !names.includes(label)))];
  return order.map((label) => ({ label, count: counts.get(label)!, share: counts.get(label)! / (labels.length || 1) }));
}
