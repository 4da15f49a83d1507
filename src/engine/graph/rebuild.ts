import { applyAll } from './operation.ts';
import { type Tensor, topological } from './tensor.ts';

/**
 * The same graph with other tensors in the place of some. A replacement may itself be replaced. What lies above a
 * replaced tensor is made anew; everything else is shared with the old graph.
 */
export function rebuild(outputs: readonly Tensor[], replacements: ReadonlyMap<Tensor, Tensor>): Tensor[] {
  const changed = new Map<Tensor, Tensor>();
  const now = (tensor: Tensor): Tensor => {
    const replaced = replacements.get(tensor);
    return replaced ? now(replaced) : (changed.get(tensor) ?? tensor);
  };
  for (const node of topological([...replacements.values(), ...outputs])) {
    const inputs = node.inputs.map(now);
    if (inputs.every((input, i) => input === node.inputs[i])) continue;
    const made = applyAll(node.operation, inputs, node.attributes);
    node.outputs.forEach((output, i) => {
      changed.set(output, made[i]!);
    });
  }
  return outputs.map(now);
}
