/** A part of the rows held back for validation. */
import { AttuneError } from '../errors/index.ts';
import { nearDuplicateGroups } from './duplicates.ts';
import { sortedLabels } from './labels.ts';

export interface SplitOptions<Example> {
  /** The share that goes to validation, above 0 and below 1. */
  readonly fraction: number;
  readonly labelOf: (example: Example) => string;
  /** What is compared: examples with nearly the same text stay on one side. */
  readonly textOf: (example: Example) => string;
  /** A seeded stream: the number in [0, 1) at a place of it. */
  readonly random: (counter: number) => number;
}

export interface Split<Example> {
  readonly train: Example[];
  readonly validation: Example[];
}

type Counts = ReadonlyMap<string, number>;

/** Examples that stay together, by their indices, and how many of them each label has. */
interface Group {
  readonly members: readonly number[];
  readonly labels: Counts;
}

/**
 * Holds back a share of the rows that has the shares of labels of the whole. Each label with rows that can be separated
 * is on both sides, and none is in validation alone. Rows keep their order; the same input gives the same split.
 */
export function stratifiedSplit<Example>(examples: readonly Example[], options: SplitOptions<Example>): Split<Example> {
  const { fraction, labelOf, textOf, random } = options;
  if (!(fraction > 0 && fraction < 1)) throw cannotSplit(`got ${fraction}`, 'give a number above 0 and below 1');
  const labels = examples.map(labelOf);
  const groups = groupsOf(labels, nearDuplicateGroups(examples.map(textOf)));
  const held = hold(shuffled(groups, random), countsOf(labels), fraction);
  const isHeld = new Set(held.flatMap(({ members }) => members));
  if (isHeld.size === 0) {
    const problem = `no row of ${examples.length} can be held back: no label has two rows that are not near-duplicates`;
    throw cannotSplit(problem, 'give more rows, or a file under data.validation, or set it to 0');
  }
  return { train: examples.filter((_, i) => !isHeld.has(i)), validation: examples.filter((_, i) => isHeld.has(i)) };
}

function cannotSplit(problem: string, fix: string): AttuneError {
  return new AttuneError({ code: 'CONFIG_INVALID', where: 'data.validation_split', problem, fix });
}

function groupsOf(labels: readonly string[], numbers: readonly number[]): Group[] {
  const members: number[][] = [];
  for (const [index, number] of numbers.entries()) {
    members[number] ??= [];
    members[number].push(index);
  }
  return members.map((indices) => ({ members: indices, labels: countsOf(indices.map((index) => labels[index]!)) }));
}

function countsOf(labels: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const label of labels) counts.set(label, (counts.get(label) ?? 0) + 1);
  return counts;
}

function shuffled(groups: readonly Group[], random: (counter: number) => number): Group[] {
  const keyed = groups.map((group, i) => ({ group, key: random(i), i }));
  return keyed.sort((a, b) => a.key - b.key || a.i - b.i).map(({ group }) => group);
}

/** Takes groups in turn while they fit; then, for labels that got none, the smallest that has them. */
function hold(groups: readonly Group[], counts: Counts, fraction: number): Group[] {
  const open = targets(counts, fraction);
  const left = new Map(counts);
  const held: Group[] = [];
  const take = (group: Group): void => {
    held.push(group);
    for (const [label, count] of group.labels) {
      open.set(label, open.get(label)! - count);
      left.set(label, left.get(label)! - count);
    }
  };
  const fits = ({ labels }: Group): boolean => [...labels].every(([label, count]) => count <= open.get(label)!);
  for (const group of groups) if (fits(group)) take(group);

  const leavesSome = ({ labels }: Group): boolean => [...labels].every(([label, count]) => count < left.get(label)!);
  const bySize = [...groups].sort((a, b) => a.members.length - b.members.length);
  for (const label of sortedLabels(counts.keys())) {
    if (left.get(label)! < counts.get(label)!) continue;
    const smallest = bySize.find((group) => group.labels.has(label) && leavesSome(group));
    if (smallest !== undefined) take(smallest);
  }
  return held;
}

/** Rows to hold back of each label: by largest remainder, and never all. */
function targets(counts: Counts, fraction: number): Map<string, number> {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const labels = sortedLabels(counts.keys());
  const exact = labels.map((label) => counts.get(label)! * fraction);
  const whole = exact.map(Math.floor);
  const missing = Math.round(total * fraction) - whole.reduce((sum, count) => sum + count, 0);
  const byRemainder = labels.map((_, i) => i).sort((a, b) => exact[b]! - whole[b]! - (exact[a]! - whole[a]!) || a - b);
  for (const i of byRemainder.slice(0, missing)) whole[i]!++;
  return new Map(labels.map((label, i) => [label, Math.min(whole[i]!, counts.get(label)! - 1)]));
}
