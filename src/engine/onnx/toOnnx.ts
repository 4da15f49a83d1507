import { type Data, leaves, product, type Tensor, topological, verify } from '../graph/index.ts';
import { GraphWriter, type OnnxOptions } from './graphWriter.ts';
import { hideRanks } from './hideRanks.ts';
import {
  modelMessage,
  nodeMessage,
  onnxType,
  outsideMessage,
  type StoredTensor,
  tensorMessage,
  valueMessage,
  type WrittenNode,
} from './messages.ts';
import { Message } from './protobuf.ts';

export interface OnnxModel {
  readonly bytes: Uint8Array;
  /** Names of the leaves that became inputs of the model. */
  readonly inputs: ReadonlySet<string>;
  /** Tensors of the model whose values it has to be handed. */
  readonly outside: readonly StoredTensor[];
}

/** The graph of some named outputs as an ONNX model. Every other named leaf that is read becomes an input. */
export function toOnnx(outputs: Readonly<Record<string, Tensor>>, options: OnnxOptions = {}): OnnxModel {
  const results = Object.values(outputs);
  const inputs = leaves(results).filter((leaf) => leaf.name !== undefined);
  const clash = inputs.find(({ name }) => name! in outputs);
  if (clash) throw new Error(`internal: '${clash.name}' is the name of an input and of an output`);
  verify(results);
  const writer = new GraphWriter(results, options);
  for (const node of topological(results)) writer.write(node);
  const needed = prune(published(writer, outputs), Object.keys(outputs));
  const nodes = options.hideRanks ? hideRanks(writer, needed, options.initializers?.keys()) : needed;
  const live = new Set(nodes.flatMap((node) => node.inputs));
  const inside = inputs.filter(({ name }) => options.initializers?.has(name!));
  const read = inputs.filter((leaf) => live.has(leaf.name!) && !inside.includes(leaf));
  const isLive = ({ name }: StoredTensor): boolean => live.has(name);
  const constants = writer.constants.map(({ name, tensor }) => storedTensor(name, tensor, tensor.data)).filter(isLive);
  const given = [
    ...inside.map((leaf) => storedTensor(leaf.name!, leaf, options.initializers!.get(leaf.name!)!)),
    ...writer.fourBitViews,
  ].filter(isLive);
  const graph = new Message()
    .addAll(1, nodes.map(nodeMessage))
    .add(2, 'attune')
    .addAll(5, constants.map(tensorMessage));
  graph.addAll(5, given.map(options.outside ? outsideMessage : tensorMessage));
  const value = (name: string, { dtype, shape }: Tensor): Message =>
    valueMessage(name, { dtype, shape: options.hideRanks ? undefined : writer.known(shape) });
  for (const leaf of read) graph.add(11, value(leaf.name!, leaf));
  for (const [name, tensor] of Object.entries(outputs)) graph.add(12, value(name, tensor));
  const outside = options.outside ? given : [];
  return { bytes: modelMessage(graph).bytes(), inputs: new Set(read.map(({ name }) => name!)), outside };
}

/** The nodes, of which those that make outputs name them so; what no node makes, or makes for another, is copied. */
function published(writer: GraphWriter, outputs: Readonly<Record<string, Tensor>>): readonly WrittenNode[] {
  const made = new Set(writer.nodes.flatMap((node) => node.outputs));
  const renamed = new Map<string, string>();
  for (const [name, tensor] of Object.entries(outputs)) {
    const own = writer.nameOf(tensor);
    if (made.has(own) && !renamed.has(own)) renamed.set(own, name);
    else writer.nodes.push({ type: 'Identity', inputs: [own], outputs: [name], attributes: {}, domain: '' });
  }
  const named = (names: readonly string[]): string[] => names.map((name) => renamed.get(name) ?? name);
  return writer.nodes.map((node) => ({ ...node, inputs: named(node.inputs), outputs: named(node.outputs) }));
}

function storedTensor(name: string, { dtype, shape }: Tensor, data: Data): StoredTensor {
  if (data.length === product(shape)) return { name, type: onnxType[dtype], shape: shape as readonly number[], data };
  throw new Error(`internal: '${name}' is ${dtype}[${shape}], but has ${data.length} values`);
}

/** Drops nodes that nothing reads, and the names of outputs that nothing reads, but for the first: it must have one. */
function prune(nodes: readonly WrittenNode[], outputs: readonly string[]): readonly WrittenNode[] {
  const live = new Set(outputs);
  const kept = nodes.toReversed().filter((node) => {
    const used = node.outputs.some((name) => live.has(name));
    if (used) for (const name of node.inputs) live.add(name);
    return used;
  });
  return kept.reverse().map((node) => ({
    ...node,
    outputs: node.outputs.map((name, i) => (live.has(name) || i === 0 ? name : '')),
  }));
}
