/**
 * A model that does not say how many axes its values have.
 *
 * Before ONNX Runtime opens a model it plans which value takes over the memory of one that is dead, by comparing shapes. Where
 * sizes are symbolic hardly any two are known to be equal, so it looks through all dead values for each new one: that takes
 * half a minute for the step of a small decoder. It does not look where it knows no shape at all, and a value then takes what
 * memory was given back last (docs/decisions/2026-11-27-opening-and-waiting.md has the figures).
 */
import type { GraphWriter } from './graphWriter.ts';
import type { WrittenNode } from './messages.ts';

/** Which input of a node is the shape of its result. */
const shapeInput: Readonly<Record<string, number>> = { Reshape: 1, Expand: 1, ConstantOfShape: 0 };
/** No value has more. */
const MOST_AXES = 8;
/** A number that nobody can foresee, and that no shape is longer than. */
const BEHIND = 'behind every shape';

/**
 * The nodes, where every shape that one is given is cut behind its end. What is made of constants alone is computed once, when
 * the model opens: it has no place in a plan and stays as it is.
 */
export function hideRanks(
  writer: GraphWriter,
  nodes: readonly WrittenNode[],
  initializers: Iterable<string> = [],
): readonly WrittenNode[] {
  const stored = [...writer.constants, ...writer.fourBitViews].map(({ name }) => name);
  const known = new Set(['', ...initializers, ...stored]);
  const input = firstInput(nodes, known);
  if (input === undefined) return nodes;
  const hidden = new Map<string, string>();
  const rewritten = nodes.flatMap((node): WrittenNode[] => {
    if (node.inputs.every((name) => known.has(name))) for (const name of node.outputs) known.add(name);
    const place = shapeInput[node.type];
    if (place === undefined || known.has(node.outputs[0]!)) return [node];
    const shape = node.inputs[place]!;
    const cut = `${shape} unforeseen`;
    const first = hidden.has(shape) ? [] : [plain('Slice', [shape, writer.ints([0]), BEHIND], cut)];
    hidden.set(shape, cut);
    return [...first, { ...node, inputs: node.inputs.map((name, i) => (i === place ? cut : name)) }];
  });
  const size = `size of ${input}`;
  const before = [plain('Size', [input], size), plain('Add', [size, writer.ints([MOST_AXES])], BEHIND)];
  return hidden.size > 0 ? [...before, ...rewritten] : nodes;
}

/** What the nodes read first that neither they make nor the model holds. */
function firstInput(nodes: readonly WrittenNode[], known: ReadonlySet<string>): string | undefined {
  const made = new Set(nodes.flatMap((node) => node.outputs));
  return nodes.flatMap((node) => node.inputs).find((name) => !made.has(name) && !known.has(name));
}

const plain = (type: string, inputs: readonly string[], output: string): WrittenNode => ({
  type,
  inputs,
  outputs: [output],
  attributes: {},
  domain: '',
});
