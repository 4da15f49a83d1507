/** The Emitter: collects ONNX nodes and constants while rows write themselves. */
import {
  type Attribute,
  type Data,
  type Dim,
  type DType,
  dataFrom,
  type Emitter,
  evaluateShape,
  leaves,
  type Node,
  parseDim,
  type Shape,
  type Sizes,
  type Target,
  type Tensor,
  topological,
} from '../graph/index.ts';
import { onnxType, type StoredTensor, UINT4, type WrittenNode } from './messages.ts';

/** Values that are longer than this are not compared: two equal long constants are simply written twice. */
const COMPARED_VALUES = 64;

export interface OnnxOptions {
  readonly target?: Target;
  /** Values of all named sizes: the model is then written for these only, and has no arithmetic on shapes. */
  readonly sizes?: Sizes;
  /** Values of named leaves that stand in the model itself; it may name more leaves than are read. */
  readonly initializers?: ReadonlyMap<string, Data>;
  /** These values are handed over beside the model, and not copied into it. */
  readonly outside?: boolean;
  /** The model tells nothing about how many axes its values have. */
  readonly hideRanks?: boolean;
}

export class GraphWriter implements Emitter {
  readonly target: Target;
  readonly nodes: WrittenNode[] = [];
  readonly constants: { name: string; tensor: Tensor & { data: Data } }[] = [];
  /** Bytes of leaves once more, under names and a type of their own. */
  readonly fourBitViews: StoredTensor[] = [];
  readonly #initializers: ReadonlyMap<string, Data> | undefined;
  readonly #names = new Map<Tensor, string>();
  readonly #written = new Map<string, unknown>();
  readonly #inputs: readonly Tensor[];
  readonly #sizes: Sizes | undefined;
  readonly #read: ReadonlySet<Tensor>;

  constructor(outputs: readonly Tensor[], { target = 'cpu', sizes, initializers }: OnnxOptions) {
    this.#initializers = initializers;
    this.target = target;
    this.#sizes = sizes;
    this.#read = new Set([...outputs, ...topological(outputs).flatMap(({ inputs }) => inputs)]);
    this.#inputs = leaves(outputs).filter((leaf) => leaf.name !== undefined);
  }

  write(node: Node): void {
    const { onnx } = node.operation;
    const inputs = node.inputs.map((tensor) => this.nameOf(tensor));
    const names = typeof onnx === 'string' ? this.node(onnx, inputs) : onnx(this, inputs, node);
    node.outputs.forEach((output, i) => {
      this.#names.set(output, names[i]!);
    });
  }

  nameOf(tensor: Tensor): string {
    const name = this.#names.get(tensor) ?? tensor.name;
    if (name !== undefined) return name;
    const constant = tensor as Tensor & { data: Data };
    if (constant.data.length > COMPARED_VALUES) {
      const made = this.#constant(constant);
      this.#names.set(tensor, made);
      return made;
    }
    return this.once(`${tensor.dtype}[${tensor.shape}]:${constant.data}`, () => this.#constant(constant));
  }

  isRead(output: Tensor): boolean {
    return this.#read.has(output);
  }

  node(
    type: string,
    inputs: readonly string[],
    attributes: Record<string, Attribute> = {},
    { outputs = 1, domain = '' }: { outputs?: number; domain?: string } = {},
  ): string[] {
    const names = Array.from({ length: outputs }, (_, i) => `${type}_${this.nodes.length}${i > 0 ? `_${i}` : ''}`);
    this.nodes.push({ type, inputs, outputs: names, attributes, domain });
    return names;
  }

  once<T>(key: string, make: () => T): T {
    const made = (this.#written.get(key) as T | undefined) ?? make();
    this.#written.set(key, made);
    return made;
  }

  ints(values: readonly number[]): string {
    return this.nameOf({ dtype: 'int64', shape: [values.length], data: dataFrom(values, 'int64') });
  }

  scalar(value: number, dtype: DType): string {
    return this.nameOf({ dtype, shape: [], data: dataFrom([value], dtype) });
  }

  cast(x: string, dtype: DType): string {
    return this.once(`cast ${x} ${dtype}`, () => this.node('Cast', [x], { to: onnxType[dtype] })[0]!);
  }

  fourBits(bytes: string, shape: readonly number[]): string {
    return this.once(`four bits ${bytes}`, () => {
      const data = this.#initializers?.get(bytes);
      if (!data) return this.#splitBytes(bytes, shape);
      const name = `${bytes} in four bits`;
      this.fourBitViews.push({ name, type: UINT4, shape, data });
      return name;
    });
  }

  #splitBytes(bytes: string, shape: readonly number[]): string {
    const one = (type: string, inputs: string[], attributes?: Record<string, Attribute>): string =>
      this.node(type, inputs, attributes)[0]!;
    const low = one('BitwiseAnd', [bytes, this.scalar(15, 'uint8')]);
    const high = one('BitShift', [bytes, this.scalar(4, 'uint8')], { direction: 'RIGHT' });
    const pairs = [low, high].map((half) => one('Reshape', [half, this.ints([-1, 1])]));
    const steps = one('Reshape', [one('Concat', pairs, { axis: 1 }), this.ints(shape)]);
    return one('Cast', [steps], { to: UINT4 });
  }

  /** A shape as far as it is known while writing. */
  known(shape: Shape): Shape {
    return this.#sizes ? evaluateShape(shape, this.#sizes) : shape;
  }

  dim(symbolic: Dim): string {
    const [dim] = this.known([symbolic]) as [Dim];
    if (typeof dim === 'number') return this.ints([dim]);
    return this.once(`dim ${dim}`, () => {
      const terms = [...parseDim(dim)].map(([names, coefficient]) => this.#term(names, coefficient));
      return terms.reduce((a, b) => this.node('Add', [a, b])[0]!);
    });
  }

  shape(symbolic: Shape): string {
    const shape = this.known(symbolic);
    if (shape.every((dim) => typeof dim === 'number')) return this.ints(shape);
    const dims = (): string[] => shape.map((dim) => this.dim(dim));
    return this.once(`shape ${shape}`, () => this.node('Concat', dims(), { axis: 0 })[0]!);
  }

  reshapeTarget(from: Shape, to: Shape): string {
    const target = to.map((dim, i) => (typeof dim === 'number' ? dim : dim === from[i] ? 0 : -1));
    return target.filter((dim) => dim === -1).length > 1 ? this.shape(to) : this.ints(target);
  }

  expandTarget(from: Shape, to: Shape): string {
    const skip = to.length - from.length;
    return this.shape(to.map((dim, i) => (dim === from[i - skip] ? 1 : dim))); // 1 keeps the input's own size
  }

  #term(names: string, coefficient: number): string {
    const factors = names
      .split('*')
      .filter(Boolean)
      .map((name) => this.#size(name));
    const all = coefficient === 1 && factors.length > 0 ? factors : [this.ints([coefficient]), ...factors];
    return all.reduce((a, b) => this.node('Mul', [a, b])[0]!);
  }

  /** A named size, read from the first input that has it as a whole axis. */
  #size(name: string): string {
    return this.once(`size ${name}`, () => {
      const input = this.#inputs.find((leaf) => leaf.shape.includes(name));
      if (!input) throw new Error(`internal: no input has an axis of size '${name}'`);
      const axis = input.shape.indexOf(name);
      return this.node('Shape', [input.name!], { start: axis, end: axis + 1 })[0]!;
    });
  }

  #constant(tensor: Tensor & { data: Data }): string {
    const name = `constant_${this.constants.length}`;
    this.constants.push({ name, tensor });
    return name;
  }
}
