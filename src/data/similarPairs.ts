/**
 * All pairs of sets whose Jaccard similarity is at least 4/5, none missed and none guessed. Two such sets share one of
 * the few rarest members of each, so only those are looked up, and most pairs are never met (Xiao, Wang, Lin and Yu,
 * "Efficient similarity joins for near duplicate detection", 2011: the prefix filter).
 */

export interface PairVisitor {
  /** Whether it still matters if these two are alike; asked before they are compared. */
  wanted(a: number, b: number): boolean;
  found(a: number, b: number): void;
}

interface Reduced {
  readonly index: number;
  readonly size: number;
  /** Members that other sets may have too, ascending. The rest counts towards the size and is never in common. */
  readonly shared: Float64Array;
  /** The rarest of the shared ones: an alike set has one of them among its own. */
  readonly rarest: readonly number[];
}

/** Visits each pair of alike sets once. Each set is ascending and has each member once. */
export function eachSimilarPair(sets: readonly Float64Array[], visitor: PairVisitor): void {
  const count = memberCounts(sets);
  const byMember = new Map<number, Reduced[]>();
  for (const [index, members] of sets.entries()) {
    const set = reduced(index, members, count);
    const candidates = new Set<Reduced>();
    for (const member of set.rarest) for (const other of byMember.get(member) ?? []) candidates.add(other);
    for (const other of candidates) {
      if (visitor.wanted(set.index, other.index) && isSimilar(set, other)) visitor.found(set.index, other.index);
    }
    for (const member of set.rarest) {
      const having = byMember.get(member);
      if (having === undefined) byMember.set(member, [set]);
      else having.push(set);
    }
  }
}

function isSimilar(a: Reduced, b: Reduced): boolean {
  // common / (a + b - common) ≥ 4/5
  const needed = Math.ceil((4 * (a.size + b.size)) / 9);
  let common = 0;
  for (let i = 0, j = 0; i < a.shared.length && j < b.shared.length; ) {
    const difference = a.shared[i]! - b.shared[j]!;
    if (difference === 0) common++;
    if (difference <= 0) i++;
    if (difference >= 0) j++;
  }
  return common >= needed;
}

/** How many sets have a member, by a hash of the member. A count may be too high, which costs time and no pair. */
function memberCounts(sets: readonly Float64Array[]): (member: number) => number {
  const total = sets.reduce((sum, set) => sum + set.length, 0);
  const buckets = Math.min(1 << 22, 2 ** Math.ceil(Math.log2(2 * total + 2)));
  const counts = new Uint32Array(buckets);
  for (const set of sets) for (const member of set) counts[member % buckets]!++;
  return (member) => counts[member % buckets]!;
}

function reduced(index: number, set: Float64Array, count: (member: number) => number): Reduced {
  const size = set.length;
  const shared = set.filter((member) => count(member) > 1);
  // An alike set has 4/5 of the members at least, so one of the `size - ⌈4/5 size⌉ + 1` rarest is in common. Members
  // that no other set has are the rarest of all, and need not be looked up.
  const lookedUp = Math.max(0, size - Math.ceil((4 * size) / 5) + 1 - (size - shared.length));
  // Sorting keeps equals ascending, so all sets have one order.
  const byRarity = lookedUp === 0 ? [] : Array.from(shared).sort((a, b) => count(a) - count(b));
  return { index, size, shared, rarest: byRarity.slice(0, lookedUp) };
}
