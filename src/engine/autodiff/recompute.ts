/**
 * What lies between two boundaries is not kept for the backward pass but computed again, block by block from the last:
 * only the boundaries stay in memory (https://arxiv.org/abs/1604.06174).
 */
import { applyAll, type Node, type Tensor } from '../graph/index.ts';
import { after } from '../ops/index.ts';

/** What the gradient rule of a node reads. */
interface Values {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

interface Rules {
  /** The gradient of a boundary once it is known. */
  readonly gradientAt: (boundary: Tensor) => Tensor | undefined;
  /** Whether a node between boundaries is not computed again. */
  readonly isKept: (node: Node) => boolean;
}

/** The values of each node as its gradient reads them. */
export function recomputed(
  order: readonly Node[],
  boundaries: readonly Tensor[],
  { gradientAt, isKept }: Rules,
): (node: Node) => Values {
  const blocks = blocksOf(order, boundaries);
  const again = new Map<number, Map<Tensor, Tensor>>();
  const copyOf = (block: number): Map<Tensor, Tensor> => {
    const [start, end] = [boundaries[block - 1]!, boundaries[block]!];
    // Its values are wanted when the gradient of its end is there, and not before.
    const late = (tensor: Tensor): Tensor => after(tensor, gradientAt(end)!);
    const copies = new Map([[start, late(start)]]);
    for (const node of blocks.get(block)!) {
      if (isKept(node)) {
        for (const output of node.outputs) copies.set(output, late(output));
        continue;
      }
      const made = applyAll(
        node.operation,
        node.inputs.map((input) => copies.get(input) ?? input),
        node.attributes,
      );
      node.outputs.forEach((output, i) => {
        copies.set(output, made[i]!);
      });
    }
    return copies;
  };
  const numbers = new Map([...blocks].flatMap(([block, nodes]) => nodes.map((node) => [node, block] as const)));
  return (node) => {
    const block = numbers.get(node)!;
    if (block === 0 || block === boundaries.length || !gradientAt(boundaries[block]!)) return node;
    const copies = again.get(block) ?? copyOf(block);
    again.set(block, copies);
    const read = (tensor: Tensor): Tensor => copies.get(tensor) ?? tensor;
    return { inputs: node.inputs.map(read), outputs: node.outputs.map(read) };
  };
}

/** Nodes by the number of boundaries that lie below them: 0 before the first, their count after the last. */
function blocksOf(order: readonly Node[], boundaries: readonly Tensor[]): Map<number, Node[]> {
  const above = new Map<Tensor, number>();
  const numberOf = new Map(boundaries.map((boundary, i) => [boundary, i + 1]));
  const blocks = new Map<number, Node[]>(boundaries.map((_, i) => [i + 1, []]));
  blocks.set(0, []);
  for (const node of order) {
    const block = Math.max(0, ...node.inputs.map((input) => above.get(input) ?? numberOf.get(input) ?? 0));
    blocks.get(block)!.push(node);
    for (const output of node.outputs) above.set(output, numberOf.get(output) ?? block);
  }
  return blocks;
}
