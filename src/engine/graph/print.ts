/** The graph as text, one node a line: what tests snapshot and errors show. */
import { type Tensor, topological } from './tensor.ts';

export function print(outputs: readonly Tensor[]): string {
  const names = new Map<Tensor, string>();
  const nameOf = (tensor: Tensor): string => names.get(tensor) ?? tensor.name ?? constantText(tensor);
  const lines = topological(outputs).map((node) => {
    for (const output of node.outputs) names.set(output, `%${names.size}`);
    const first = node.outputs[0]!;
    const inputs = node.inputs.map(nameOf).join(' ');
    return `${nameOf(first)} = ${node.operation.name} ${inputs}  ${first.dtype}[${first.shape.join(', ')}]`;
  });
  return lines.join('\n');
}

const constantText = ({ data, shape }: Tensor): string => (data!.length === 1 ? `${data![0]}` : `const[${shape}]`);
