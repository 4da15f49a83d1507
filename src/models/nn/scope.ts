/**
 * Where a layer stands: its path in the checkpoint, and the sites at which fine-tuning methods attach.
 * Models call sites without knowing who listens; methods wrap sites without knowing which model calls.
 */
import { input, type Tensor } from '../../engine/graph/index.ts';
import { mul } from '../../engine/ops/index.ts';
import type { Around, Method, Site } from './method.ts';
import type { Initial, Parameter } from './parameter.ts';

/** What a dropout site multiplies with: factors of one shape, drawn anew at every step. */
export interface Mask {
  readonly name: string;
  readonly tensor: Tensor;
  readonly rate: number;
}

/** What one build of a model collects. */
export interface Build {
  readonly methods: readonly Method[];
  /** From the rate that the model's config names to the rate that is used; 0 leaves the site out. */
  readonly dropoutRate: (configured: number) => number;
  readonly parameters: Map<string, { parameter: Parameter; tensor: Tensor }>;
  readonly masks: Map<string, Mask>;
  depth: number;
  blocks: number;
}

interface WeightOptions {
  /** First values where the checkpoint has none. Without them the checkpoint must have the weight. */
  readonly fresh?: Initial;
  /** Part of the task's head, which every method trains. */
  readonly head?: boolean;
}

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
    this.build.blocks = count;
    for (let index = 0; index < count; index++) {
      this.build.depth = index + 1;
      yield this.at(name).at(index);
    }
    this.build.depth = count + 1;
  }

  /** A parameter of the model. Declared twice it is the same one: that is how weights are tied. */
  weight(name: string, shape: readonly number[], { fresh, head = false }: WeightOptions = {}): Tensor {
    const declared = { name: this.at(name).path, shape, fresh, head, depth: this.build.depth };
    const chosen = this.build.methods.some((method) => method.trains?.(declared, this.build.blocks));
    return declare(this.build, { ...declared, trainable: head || chosen });
  }

  /**
   * x·factors, where a factor is 0 for a share `rate` of the places, else 1/(1 − rate)
   * (https://jmlr.org/papers/v15/srivastava14a.html). Factors come from outside, from the stream that the site's path
   * names: a step is a function of its inputs, and the state of its randomness is one number.
   */
  dropout(x: Tensor, configuredRate: number): Tensor {
    const rate = this.build.dropoutRate(configuredRate);
    if (rate === 0) return x;
    const name = `dropout.${this.path}`;
    if (this.build.masks.has(name)) throw new Error(`internal: two dropout sites at '${this.path}'`);
    const tensor = input(name, 'float32', x.shape);
    this.build.masks.set(name, { name, tensor, rate });
    return mul(x, tensor);
  }

  site(): Site {
    const { build, path } = this;
    return {
      path,
      added: (name, shape, fresh, { trainable = true } = {}) =>
        declare(build, { name: `${path}.${name}`, shape, fresh, trainable, head: false, depth: build.depth }),
    };
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

function declare(build: Build, parameter: Parameter): Tensor {
  const known = build.parameters.get(parameter.name);
  if (known) return known.tensor;
  const tensor = input(parameter.name, 'float32', parameter.shape);
  build.parameters.set(parameter.name, { parameter, tensor });
  return tensor;
}
