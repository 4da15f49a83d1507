/** The names of the classes, and whether all data agree on them. */
import { AttuneError, nearest } from '../errors/index.ts';
import type { ClassificationExample } from './classification.ts';
import { excerpt, lineOf, listed, type Problems, problemList, throwProblems } from './problems.ts';

/** Labels with the places that have them, in the order in which they come. Examples without a label are passed over. */
function placesByLabel(examples: readonly ClassificationExample[]): Map<string, string[]> {
  const places = new Map<string, string[]>();
  for (const { label, where } of examples) {
    if (label === undefined) continue;
    const known = places.get(label);
    if (known === undefined) places.set(label, [where]);
    else known.push(where);
  }
  return places;
}

/**
 * The labels to learn, in an order that depends on them alone: by value where all are numbers, else by code point.
 * `order` is that of a model which has its labels already; those of the examples must be among them.
 */
export function labelNames(examples: readonly ClassificationExample[], order?: readonly string[]): string[] {
  const labels = [...placesByLabel(examples).keys()];
  if (labels.length < 2) throw tooFew(examples, labels);
  if (order === undefined) return sortedLabels(labels);
  throwProblems(unknownLabels(examples, order, 'the model has no such label'));
  return [...order];
}

/** Labels of validation or test data that training lacks: one problem a label, naming the rows that have it. */
export function checkLabels(examples: readonly ClassificationExample[], names: readonly string[]): Problems {
  return unknownLabels(examples, names, 'no training row has it');
}

function unknownLabels(examples: readonly ClassificationExample[], names: readonly string[], why: string): Problems {
  const list = problemList();
  const known = new Set(names);
  for (const [label, places] of placesByLabel(examples)) {
    if (known.has(label)) continue;
    const close = nearest(label, names);
    const others = places.length > 1 ? ` (rows ${listed(places)})` : '';
    list.add({
      code: 'DATA_LABELS',
      line: lineOf(places[0]!),
      where: places[0]!,
      problem: `the label '${excerpt(label)}' is unknown, ${why}${others}`,
      fix: `${close === undefined ? '' : `did you mean '${close}'? `}the known labels are: ${listed(names, 20)}`,
    });
  }
  return { problems: list.problems, problemCount: list.problemCount };
}

function tooFew(examples: readonly ClassificationExample[], labels: readonly string[]): AttuneError {
  const [only] = labels;
  const rows = `${examples.length} ${examples.length === 1 ? 'row' : 'rows'}`;
  const problem = only === undefined ? `no label in ${rows}` : `the only label in ${rows} is '${excerpt(only)}'`;
  const fix = 'give training rows of at least two labels';
  return new AttuneError({ code: 'DATA_LABELS', where: 'data.train', problem, fix });
}

/** Sorted by value where all are numbers, else by code point, so that no row's place and no locale matters. */
export function sortedLabels(labels: Iterable<string>): string[] {
  const sorted = [...labels].sort(byCodePoint);
  // Sorting keeps the order of equals: '1' and '1.0' stay sorted by code point.
  return sorted.every(isNumber) ? sorted.sort((a, b) => Number(a) - Number(b)) : sorted;
}

const isNumber = (label: string): boolean => /^[-+]?(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?$/i.test(label);

/** Differs from the order of UTF-16 units above U+FFFF, and is the order of Python. */
function byCodePoint(a: string, b: string): number {
  const left = Array.from(a, (character) => character.codePointAt(0)!);
  const right = Array.from(b, (character) => character.codePointAt(0)!);
  const at = left.findIndex((point, i) => point !== right[i]);
  return at < 0 ? left.length - right.length : left[at]! - (right[at] ?? -1);
}
