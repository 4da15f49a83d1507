/** Texts that are the same or nearly so: which belong together, how many there are, and which leak across a split. */
import { type Fingerprint, fingerprint } from './fingerprint.ts';
import { eachSimilarPair } from './similarPairs.ts';

/** A row as it is compared with others. */
export interface Compared {
  readonly text: string;
  readonly pair?: string;
  readonly where: string;
}

/** What is compared of an example: its text, and the second one where it is a pair. */
export function comparedText({ text, pair }: Compared): string {
  return pair === undefined ? text : `${text}\n${pair}`;
}

/**
 * A number for each text: texts with the same number are the same or nearly the same, or linked by such ones. Numbers
 * count up from 0 in the order in which the groups begin.
 */
export function nearDuplicateGroups(texts: readonly string[]): number[] {
  return groupsOf(texts.map(fingerprint)).groups;
}

export interface DuplicateCounts {
  /** Rows whose text came before, but for case, width, punctuation and spaces. */
  readonly exact: number;
  /** Further rows that nearly repeat one which came before. */
  readonly near: number;
}

export function duplicateCounts(texts: readonly string[]): DuplicateCounts {
  const { groups, distinct } = groupsOf(texts.map(fingerprint));
  return { exact: texts.length - distinct, near: distinct - new Set(groups).size };
}

function groupsOf(prints: readonly Fingerprint[]): { groups: number[]; distinct: number } {
  const firsts = firstByText(prints);
  const distinct = [...firsts.values()];
  const parent = distinct.map((_, i) => i);
  const root = (i: number): number => {
    while (parent[i] !== i) {
      parent[i] = parent[parent[i]!]!;
      i = parent[i]!;
    }
    return i;
  };
  const shingles = distinct.map((index) => prints[index]!.shingles);
  eachSimilarPair(shingles, {
    wanted: (a, b) => root(a) !== root(b),
    found: (a, b) => {
      parent[Math.max(root(a), root(b))] = Math.min(root(a), root(b));
    },
  });
  const rootByText = new Map([...firsts.keys()].map((text, i) => [text, root(i)]));
  return { groups: numbered(prints.map(({ normalised }) => rootByText.get(normalised)!)), distinct: distinct.length };
}

/** The first index of each text, in the order of the indices. */
function firstByText(prints: readonly Fingerprint[]): Map<string, number> {
  const firsts = new Map<string, number>();
  for (const [index, { normalised }] of prints.entries()) if (!firsts.has(normalised)) firsts.set(normalised, index);
  return firsts;
}

function numbered(roots: readonly number[]): number[] {
  const numbers = new Map<number, number>();
  return roots.map((root) => {
    const number = numbers.get(root) ?? numbers.size;
    numbers.set(root, number);
    return number;
  });
}

/** A validation row whose text is in the training data too: it measures memory, not learning. */
export interface Leak {
  readonly train: string;
  readonly validation: string;
  readonly kind: 'exact' | 'near';
}

/** For each validation row that repeats training rows, the first of these; the same comes before the near. */
export function leakage(train: readonly Compared[], validation: readonly Compared[]): Leak[] {
  const trained = train.map((example) => fingerprint(comparedText(example)));
  const validated = validation.map((example) => fingerprint(comparedText(example)));
  const same = firstByText(trained);
  const near = nearMatches(trained, validated);
  return validation.flatMap((example, i) => {
    const exact = same.get(validated[i]!.normalised);
    const match = exact ?? near.get(validated[i]!.normalised);
    if (match === undefined) return [];
    return { train: train[match]!.where, validation: example.where, kind: exact === undefined ? 'near' : 'exact' };
  });
}

/** For texts of validation rows that no training row has: the first training row that each is near to. */
function nearMatches(trained: readonly Fingerprint[], validated: readonly Fingerprint[]): Map<string, number> {
  const trainRows = firstByText(trained);
  const others = [...firstByText(validated)].filter(([text]) => !trainRows.has(text));
  const rows = [...trainRows.values()];
  const matches = new Map<string, number>();
  const shingles = [...rows.map((row) => trained[row]!.shingles), ...others.map(([, row]) => validated[row]!.shingles)];
  /** The training row and the validation text of two sets, if there is one of each. */
  const across = (a: number, b: number): [number, string] | undefined => {
    const [row, other] = [rows[Math.min(a, b)], others[Math.max(a, b) - rows.length]];
    return row === undefined || other === undefined ? undefined : [row, other[0]];
  };
  eachSimilarPair(shingles, {
    wanted: (a, b) => {
      const pair = across(a, b);
      return pair !== undefined && pair[0] < (matches.get(pair[1]) ?? Number.POSITIVE_INFINITY);
    },
    found: (a, b) => {
      const [row, text] = across(a, b)!;
      matches.set(text, row);
    },
  });
  return matches;
}
