/** Checks a graph between passes: what the rows say about types must be what the tensors carry. */
import { sameShape } from './dims.ts';
import { leaves, type Node, type Tensor, topological } from './tensor.ts';

/** Throws on the first node whose outputs contradict its row, and on two inputs of one name. */
export function verify(outputs: readonly Tensor[]): void {
  const made = new Set<Node>();
  for (const node of topological(outputs)) {
    for (const input of node.inputs) {
      if (input.node && !made.has(input.node)) throw new Error(`internal: ${node.operation.name} reads a later node`);
    }
    expectTypes(node);
    made.add(node);
  }
  const named = new Map<string, Tensor>();
  for (const leaf of leaves(outputs)) {
    if (leaf.name === undefined && !leaf.data) throw new Error('internal: an input has neither a name nor data');
    if (leaf.name === undefined) continue;
    if (named.has(leaf.name)) throw new Error(`internal: two inputs are named '${leaf.name}'`);
    named.set(leaf.name, leaf);
  }
}

function expectTypes({ operation, inputs, attributes, outputs }: Node): void {
  const types = [operation.type(inputs, attributes)].flat();
  types.forEach(({ dtype, shape }, i) => {
    const output = outputs[i];
    if (output?.dtype === dtype && sameShape(output.shape, shape)) return;
    const carried = output ? `${output.dtype}[${output.shape}]` : 'nothing';
    throw new Error(`internal: ${operation.name} makes ${dtype}[${shape}], its output ${i} carries ${carried}`);
  });
}
