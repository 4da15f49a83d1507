/** Runs a graph on the rows' references, in double precision: the engine that tests trust. */
import { evaluateShape, type Sizes } from './dims.ts';
import type { HostArray } from './hostArray.ts';
import { type Tensor, topological } from './tensor.ts';

export function interpret(
  outputs: readonly Tensor[],
  feeds: ReadonlyMap<Tensor, HostArray>,
  sizes: Sizes,
): HostArray[] {
  const values = new Map<Tensor, HostArray>(feeds);
  const lookUp = (tensor: Tensor): HostArray => {
    const value = values.get(tensor);
    if (value) return value;
    if (!tensor.data) throw new Error(`internal: no value for input '${tensor.name}'`);
    return { shape: evaluateShape(tensor.shape, sizes), data: Float64Array.from(tensor.data, Number) };
  };
  for (const node of topological(outputs)) {
    const shapes = node.outputs.map((output) => ({ shape: evaluateShape(output.shape, sizes) }));
    const results = node.operation.reference(node.inputs.map(lookUp), node.attributes, shapes, sizes);
    results.forEach((data, i) => {
      values.set(node.outputs[i]!, { shape: shapes[i]!.shape, data });
    });
  }
  return outputs.map(lookUp);
}
