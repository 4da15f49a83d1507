/** Where a graph can be cut in two: below, what is the same whenever a row comes again; above, what is trained. */
import { isCostly } from './operation.ts';
import { type Node, type Tensor, topological } from './tensor.ts';

export interface Boundary {
  /** Leaves whose values change from step to step. */
  readonly changing: Iterable<Tensor>;
  /** Whether a tensor can be kept. In the place of one that cannot be, its inputs are looked at. */
  readonly canKeep: (tensor: Tensor) => boolean;
  /** A tensor on the unchanging side is read as if it were the one it is mapped to. */
  readonly aliases?: ReadonlyMap<Tensor, Tensor>;
}

/** One costly operation alone is done again faster than its result is worth the room. */
const LEAST_SAVED = 2;

/** Every tensor that one of the leaves flows into, and the leaves. */
export function flowsFrom(order: readonly Node[], from: Iterable<Tensor>): Set<Tensor> {
  const reached = new Set(from);
  for (const node of order) {
    if (!node.inputs.some((x) => reached.has(x))) continue;
    for (const y of node.outputs) reached.add(y);
  }
  return reached;
}

/**
 * The tensors on the boundary that are worth keeping: no changing leaf flows into them, the changing side reads them,
 * and costly operations lie below them that no other kept tensor saves already. Cheap ones are left to be done again.
 */
export function frontier(outputs: readonly Tensor[], { changing, canKeep, aliases }: Boundary): Tensor[] {
  const order = topological(outputs);
  const changes = flowsFrom(order, changing);
  const read = order.filter(({ outputs: made }) => changes.has(made[0]!)).flatMap(({ inputs }) => inputs);
  const candidates = keepable(
    [...read, ...outputs].filter((tensor) => !changes.has(tensor)),
    { canKeep, aliases: aliases ?? new Map() },
  );
  const kept = new Set<Tensor>();
  for (const tensor of order.flatMap((node) => node.outputs)) {
    if (candidates.has(tensor) && costlyBelow(tensor, kept) >= LEAST_SAVED) kept.add(tensor);
  }
  return [...kept];
}

function keepable(tensors: readonly Tensor[], { canKeep, aliases }: Required<Omit<Boundary, 'changing'>>): Set<Tensor> {
  const found = new Set<Tensor>();
  const seen = new Set<Tensor>();
  const open = [...tensors];
  for (let tensor = open.pop(); tensor; tensor = open.pop()) {
    const meant = aliases.get(tensor) ?? tensor;
    if (seen.has(meant) || !meant.node) continue;
    seen.add(meant);
    if (aliases.has(meant)) open.push(meant);
    else if (canKeep(meant)) found.add(meant);
    else open.push(...meant.node.inputs);
  }
  return found;
}

/** Costly operations that have to be done again for a tensor, when the kept ones are at hand. */
function costlyBelow(tensor: Tensor, kept: ReadonlySet<Tensor>): number {
  const seen = new Set<Node>();
  const open = [tensor];
  let costly = 0;
  for (let next = open.pop(); next; next = open.pop()) {
    if (!next.node || seen.has(next.node) || kept.has(next)) continue;
    seen.add(next.node);
    if (isCostly(next.node)) costly += 1;
    open.push(...next.node.inputs);
  }
  return costly;
}
