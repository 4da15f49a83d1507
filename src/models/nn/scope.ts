/**
 * Where a layer stands: its path in the checkpoint, and the sites at which fine-tuning methods attach.
 * Models call sites without knowing who listens; methods wrap sites without knowing which model calls.
 */
import { input, type Tensor } from '../../engine/graph/index.ts';
import { dropout, droppedSoftmax, softmax, transpose } from '../../engine/ops/index.ts';
import type { AddedOptions, Around, Built, LinearSite, Method, Site, TokensSite } from './method.ts';
import type { GradientPromise, Initial, Parameter } from './parameter.ts';
import { type BasePrecision, type OwnForms, type Stored, storageOf, tableStorage } from './storage.ts';

/** What a dropout site keeps: bytes of 0 and 1 in one shape, drawn anew at every step. */
export interface Mask {
  readonly name: string;
  readonly tensor: Tensor;
  readonly rate: number;
  /** What stands there without dropout, and with it. */
  readonly plain: Tensor;
  readonly dropped: Tensor;
}

/** What one build of a model collects. */
export interface Build {
  readonly methods: readonly Method[];
  /** From the rate that the model's config names to the rate that is used; left out when nothing is dropped. */
  readonly dropoutRate?: ((configured: number) => number) | undefined;
  /** How frozen weights of linear layers are kept. */
  readonly basePrecision: BasePrecision;
  /** How the weights' file keeps its matrices, where that is a form to keep. */
  readonly ownForms?: OwnForms | undefined;
  /** What linear layers that are trained compute in; their weights stay float32. */
  readonly precision: 'fp32' | 'int8';
  /** Products with frozen weights of few bits may round what they read. */
  readonly rounds: boolean;
  /** How many parts attention cuts queries into, where it can; 1: none. */
  readonly queryParts: number;
  readonly parameters: Map<string, { parameter: Parameter; tensor: Tensor }>;
  readonly masks: Map<string, Mask>;
  readonly linears: Built['linears'][number][];
  readonly embeddings: string[];
  /** Weights and biases of linear layers with what methods add to them, by name. */
  readonly merged: Map<string, Tensor>;
  /** What other programs read in place of what methods trained, by name. */
  readonly exported: Map<string, Tensor>;
  /** What the model's blocks read and leave, in their order: the places between which values can be computed again. */
  readonly boundaries: Set<Tensor>;
  readonly tied: Set<string>;
  depth: number;
  blocks: number;
}

interface WeightOptions {
  /** First values where the checkpoint has none. Without them the checkpoint must have the weight. */
  readonly fresh?: Initial;
  /** Part of the task's head, which every method trains. */
  readonly head?: boolean;
  /** The matrix of a linear layer: it may be kept in another form while it is frozen. */
  readonly packable?: boolean;
  /** The vocabulary's table, which is read by rows: it may be kept in another form, too. */
  readonly table?: boolean;
  /** A matrix that the checkpoint keeps the other way round. */
  readonly transposed?: boolean;
  /** Left out: always. */
  readonly gradient?: GradientPromise;
}

type AddedPlace = Pick<Parameter, 'name' | 'shape' | 'depth'>;

export class Scope {
  readonly path: string;
  readonly build: Build;

  constructor(build: Build, path = '') {
    this.build = build;
    this.path = path;
  }

  at(name: string | number): Scope {
    return new Scope(this.build, this.path ? `${this.path}.${name}` : `${name}`);
  }

  /** The model's stack of equal blocks. */
  *blocks(name: string, count: number): Generator<Scope> {
    for (const [block] of this.blocksOf(name, new Array<void>(count).fill())) yield block;
  }

  /** The same for blocks that differ in one thing: each with its own. What is built of a block is built before the next. */
  *blocksOf<T>(name: string, own: readonly T[]): Generator<[Scope, T]> {
    this.build.blocks = own.length;
    for (const [index, one] of own.entries()) {
      this.build.depth = index + 1;
      yield [this.at(name).at(index), one];
    }
    this.build.depth = own.length + 1;
  }

  /** A parameter of the model. Declared twice it is the same one: that is how weights are tied. */
  weight(name: string, shape: readonly number[], options: WeightOptions = {}): Tensor {
    const { fresh, head = false, transposed = false, gradient = 'always' } = options;
    const { depth, blocks, methods } = this.build;
    const kept = transposed ? shape.toReversed() : shape;
    const place = { name: this.at(name).path, shape: kept, head, depth };
    const declared = { ...place, fresh, added: false, gradient, opensAfter: 0 };
    const trainable = methods.some((method) => method.trains?.(declared, blocks));
    const learningRateScale = methods.reduce((scale, method) => scale * (method.learningRateScale?.(declared) ?? 1), 1);
    const stored = trainable || head ? undefined : this.#stored(declared.name, shape, options);
    const tensor = declare(this.build, { ...declared, trainable, learningRateScale, stored });
    return transposed && !stored ? transpose(tensor, [1, 0]) : tensor;
  }

  #stored(name: string, shape: readonly number[], { packable, table, transposed }: WeightOptions): Stored | undefined {
    const { basePrecision, ownForms, rounds } = this.build;
    if (table) return tableStorage(basePrecision, name, shape, { ownForms, rounds });
    return packable ? storageOf(basePrecision, name, shape, { transposed, ownForms, rounds }) : undefined;
  }

  /**
   * 0 for a share of the places, x/(1 − rate) for the others. Which ones comes from outside, from the stream that the
   * site's path names: a step is a function of its inputs, and the state of its randomness is one number.
   */
  dropout(x: Tensor, configuredRate: number): Tensor {
    return dropAt(this.build, this.path, x, this.build.dropoutRate?.(configuredRate) ?? 0);
  }

  /** Whether anything is dropped at a site of this rate. */
  drops(configuredRate: number): boolean {
    return (this.build.dropoutRate?.(configuredRate) ?? 0) > 0;
  }

  /** Softmax over the last axis, then dropout. */
  droppedSoftmax(x: Tensor, configuredRate: number): Tensor {
    const rate = this.build.dropoutRate?.(configuredRate) ?? 0;
    const plain = softmax(x);
    if (rate === 0) return plain;
    return drop(this.build, this.path, { rate, plain, dropped: (mask) => droppedSoftmax(x, mask, rate) });
  }

  site(): Site {
    const { build, path } = this;
    const { depth } = build;
    const add = (place: AddedPlace, fresh: Initial, options: AddedOptions = {}): Tensor => {
      const { trainable = true, learningRateScale = 1, gradient = 'always' } = options;
      const declared = { ...place, fresh, trainable, learningRateScale, gradient, opensAfter: 0 };
      return declare(build, { ...declared, added: true, head: false });
    };
    return {
      path,
      block: depth - 1,
      added: (name, shape, ...rest) => add({ name: `${path}.${name}`, shape, depth }, ...rest),
      shared: (name, shape, ...rest) => add({ name, shape, depth: Number.POSITIVE_INFINITY }, ...rest),
      exported(name, value) {
        if (!build.exported.has(name)) build.exported.set(name, value);
        return build.exported.get(name)!;
      },
      dropout: (x, rate) => dropAt(build, `${path}.method`, x, build.dropoutRate ? rate : 0),
    };
  }

  /** Whether products with this weight of a layer are rounded to 8 bits: it is trained, and the build asks for it. */
  isRounded(name: string): boolean {
    const { precision, parameters } = this.build;
    return precision === 'int8' && parameters.get(this.at(name).path)!.parameter.trainable;
  }

  /** Whether a tensor is a parameter that is not trained. */
  isFrozen(weight: Tensor): boolean {
    const known = [...this.build.parameters.values()].find(({ tensor }) => tensor === weight);
    return known !== undefined && !known.parameter.trainable;
  }

  /** Lets methods find the layer again, and fold what they add into its weight. */
  noteLinear(site: LinearSite, transposed: boolean): void {
    const { linears, merged, methods } = this.build;
    const { path, head, vocabulary, weight: own } = site;
    linears.push({ path, head, vocabulary, shape: own.shape as [number, number] });
    const weight = methods.reduce((current, method) => method.mergedWeight?.(site, current) ?? current, site.weight);
    if (weight !== site.weight) merged.set(`${site.path}.weight`, transposed ? transpose(weight, [1, 0]) : weight);
    if (!site.bias) return;
    const bias = methods.reduce((current, method) => method.mergedBias?.(site, current) ?? current, site.bias);
    if (bias !== site.bias) merged.set(`${site.path}.bias`, bias);
  }

  /** The same for the embeddings of the text. */
  noteTokens(site: TokensSite): void {
    const { embeddings, merged, methods } = this.build;
    embeddings.push(site.path);
    const table = methods.reduce((current, method) => method.mergedTable?.(site, current) ?? current, site.table);
    if (table !== site.table) merged.set(`${site.path}.weight`, table);
  }

  /** Runs the methods' hooks around `core`, the first method outermost. `flows` is the field each hook may replace. */
  around<S extends Site, T>(
    hook: (method: Method) => Around<S, T> | undefined,
    flows: keyof S,
    site: S,
    core: (value: Tensor) => T,
  ): T {
    const chain = this.build.methods.reduceRight<(value: Tensor) => T>((inner, method) => {
      const wrap = hook(method);
      return wrap ? (value) => wrap({ ...site, [flows]: value }, (changed = value) => inner(changed)) : inner;
    }, core);
    return chain(site[flows] as Tensor);
  }
}

function dropAt(build: Build, path: string, x: Tensor, rate: number): Tensor {
  return rate === 0 ? x : drop(build, path, { rate, plain: x, dropped: (mask) => dropout(x, mask, rate) });
}

interface Drop {
  readonly rate: number;
  readonly plain: Tensor;
  readonly dropped: (mask: Tensor) => Tensor;
}

function drop(build: Build, path: string, { rate, plain, dropped: dropWith }: Drop): Tensor {
  const name = `dropout.${path}`;
  if (build.masks.has(name)) throw new Error(`internal: two dropout sites at '${path}'`);
  const tensor = input(name, 'uint8', plain.shape);
  const dropped = dropWith(tensor);
  build.masks.set(name, { name, tensor, rate, plain, dropped });
  return dropped;
}

function declare(build: Build, parameter: Parameter): Tensor {
  const known = build.parameters.get(parameter.name);
  if (known) return known.tensor;
  const tensor = parameter.stored?.unpacked ?? input(parameter.name, 'float32', parameter.shape);
  build.parameters.set(parameter.name, { parameter, tensor });
  return tensor;
}
