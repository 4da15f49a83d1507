import { constant, flowsFrom, isCostly, type Tensor, topological } from '../graph/index.ts';
import { add } from '../ops/index.ts';
import { recomputed } from './recompute.ts';

interface GradientOptions {
  /** Tensors, from the first to the last, between which everything is computed again for the backward pass. */
  readonly boundaries?: readonly Tensor[];
  /** Of these, what takes long to compute is kept all the same. */
  readonly keepsCostly?: boolean;
}

/**
 * d loss / d each wanted tensor, for a scalar loss. Only nodes above a wanted tensor are visited: nothing is
 * differentiated below the lowest trained parameter, and frozen weights get no gradient.
 */
export function gradients(
  loss: Tensor,
  wanted: readonly Tensor[],
  { boundaries = [], keepsCostly = false }: GradientOptions = {},
): Tensor[] {
  const order = topological([loss]);
  const reaching = flowsFrom(order, wanted);
  const gradientOf = new Map<Tensor, Tensor>([[loss, constant(1)]]);
  const gradientAt = (boundary: Tensor): Tensor | undefined => gradientOf.get(boundary);
  const valuesOf = recomputed(order, boundaries, { gradientAt, isKept: (node) => keepsCostly && isCostly(node) });
  for (const node of order.toReversed()) {
    const dys = node.outputs.map((y) => gradientOf.get(y));
    const dy = node.operation.everyOutput ? dys.find(Boolean) : dys[0];
    if (!dy || !reaching.has(node.outputs[0]!)) continue;
    const { inputs, outputs } = valuesOf(node);
    const dxs = node.operation.gradient(dy, inputs, outputs, node.attributes, dys);
    node.inputs.forEach((x, i) => {
      const dx = dxs[i];
      if (!dx || !reaching.has(x)) return;
      const earlier = gradientOf.get(x);
      gradientOf.set(x, earlier ? add(earlier, dx) : dx);
    });
  }
  return wanted.map((tensor) => {
    const found = gradientOf.get(tensor);
    if (!found) throw new Error(`internal: the loss does not depend on '${tensor.name ?? 'a wanted tensor'}'`);
    return found;
  });
}
