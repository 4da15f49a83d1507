/** Settings that speak of labels: they can be checked, and mean something, once the labels are known. */
import { type ClassificationExample, classBalance } from '../../../data/index.ts';
import { AttuneError, nearest } from '../../../errors/index.ts';
import type { Recipe } from '../../schema/index.ts';

/** How much a row of each label counts, in the order of the labels; undefined where all count the same. */
export function classWeights(
  { training: { class_weights: given } }: Recipe,
  labels: readonly string[],
  examples: readonly ClassificationExample[],
): readonly number[] | undefined {
  if (given === 'none') return undefined;
  if (given === 'balanced') return balanced(classBalance(examples, labels).map(({ count }) => count));
  const unknown = Object.keys(given).find((label) => !labels.includes(label));
  if (unknown !== undefined) throw unknownLabel(unknown, labels);
  return labels.map((label) => (Object.hasOwn(given, label) ? given[label]! : 1));
}

/** n / (k · count), as scikit-learn has it. No row asks for the weight of a label without rows. */
export function balanced(counts: readonly number[]): number[] {
  const rows = counts.reduce((a, b) => a + b, 0);
  return counts.map((count) => (count === 0 ? 1 : rows / (counts.length * count)));
}

function unknownLabel(label: string, labels: readonly string[]): AttuneError {
  const close = nearest(label, labels);
  const shown = labels.length > 20 ? `${labels.slice(0, 20).join(', ')}, … ${labels.length} in all` : labels.join(', ');
  return new AttuneError({
    code: 'CONFIG_INVALID',
    where: `training.class_weights.${label}`,
    problem: `no training row has the label '${label}'`,
    fix: `${close === undefined ? '' : `did you mean '${close}'? `}the labels are ${shown}`,
  });
}

export function refuseThreshold({ evaluation: { threshold } }: Recipe, labels: readonly string[]): void {
  if (threshold === undefined || labels.length === 2) return;
  throw new AttuneError({
    code: 'CONFIG_INVALID',
    where: 'evaluation.threshold',
    problem: `got ${threshold}, which chooses between two labels, but the training data has ${labels.length}`,
    fix: 'remove it: of more labels the likeliest is answered',
  });
}
