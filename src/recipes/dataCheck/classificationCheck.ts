import {
  type ClassificationExample,
  type Compared,
  checkLabels,
  classBalance,
  classificationExamples,
  comparedText,
  labelNames,
  type Problems,
  stratifiedSplit,
} from '../../data/index.ts';
import { excerpt, problemOf } from '../../data/problems.ts';
import type { Recipe } from '../schema/index.ts';
import type { CheckedTask } from './task.ts';

export const classificationCheck: CheckedTask = {
  read(rows, { columns, labels = 'required' }) {
    const found = classificationExamples(rows, { columns, labels });
    return { ...found, labels: classBalance(found.examples) };
  },
  training: (examples, data) => trainingProblems(examples, data),
  held: (examples, trained) =>
    checkLabels(
      examples,
      classBalance(trained).map(({ label }) => label),
    ),
  warning(examples) {
    const labels = classBalance(examples);
    if (labels.length !== 1) return undefined;
    const problem = `all ${labels[0]!.count} rows have the label '${excerpt(labels[0]!.label)}'`;
    return { problem, fix: 'to learn, a model needs rows of at least two labels' };
  },
};

/** Too few labels, or rows of which none can be held back. */
function trainingProblems(examples: readonly Compared[], data: Recipe['data']): Problems {
  try {
    labelNames(examples);
    if (!data.validation && data.validation_split > 0) {
      const options = { fraction: data.validation_split, labelOf, textOf: comparedText, random: () => 0 };
      // Which rows are held back depends on the seed; whether there are any does not.
      stratifiedSplit(examples, options);
    }
    return { problems: [], problemCount: 0 };
  } catch (error) {
    return { problems: [problemOf(error)], problemCount: 1 };
  }
}

const labelOf = ({ label }: ClassificationExample): string => label!;
