/** A weighted sum of LoRA adapters: what may be added to what, and the tensors and settings of the result. */
import { AttuneError } from '../../errors/index.ts';
import { baseChangeOf, type MethodSettings } from '../index.ts';
import { type LoraSettings, rankAndScale } from '../lora.ts';
import type { Matrix } from '../starts/decompose.ts';
import { type Combination, combine, type Product } from './combine.ts';

export interface SumTensor {
  readonly name: string;
  readonly dtype: 'float32';
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** An adapter as other programs read it: no start is left in the weights. */
export interface Addend {
  /** What errors call it. */
  readonly where: string;
  readonly weight: number;
  readonly method: MethodSettings;
  readonly tensors: readonly SumTensor[];
}

export interface Summing {
  readonly combination: Combination;
  /** Of svd; left out: the largest of the adapters'. */
  readonly rank?: number | undefined;
}

export interface Sum {
  readonly method: LoraSettings;
  readonly tensors: readonly SumTensor[];
}

export function sumOf(addends: readonly Addend[], { combination, rank: wished }: Summing): Sum {
  const loras = addends.map((addend) => ({ ...addend, method: expectLora(addend) }));
  const rank = rankOf(loras, combination, wished);
  const layers = productsByLayer(loras);
  if (combination === 'linear') refuseUnequalRanks(layers, loras);
  const added = [...layers].flatMap(([place, products]) => tensorsOf(place, combine(combination, products, rank)));
  const whole = wholeTensors(loras);
  return { method: settingsOf(loras, [...layers.keys()], rank), tensors: [...added, ...whole] };
}

type Lora = Omit<Addend, 'method'> & { readonly method: LoraSettings };

function expectLora({ method, where }: Addend): LoraSettings {
  if (method.name !== 'lora')
    throw cannotAdd(where, `it is an adapter of ${method.name}, and only those of lora add up`);
  if (baseChangeOf(method) !== undefined)
    throw cannotAdd(where, 'its matrices are right over the base that LoftQ rounded for them alone');
  if (method.bias === 'none') return method;
  throw cannotAdd(where, `it trained biases (bias: ${method.bias}), which have no place in a sum of matrices`);
}

const largestRank = ({ method: { r, rank_pattern: pattern } }: Lora): number => Math.max(r, ...Object.values(pattern));

function rankOf(loras: readonly Lora[], combination: Combination, wished: number | undefined): number {
  const ranks = loras.map(largestRank);
  if (combination === 'cat') return ranks.reduce((total, rank) => total + rank);
  if (combination === 'svd') return wished ?? Math.max(...ranks);
  const other = ranks.findIndex((rank) => rank !== ranks[0]);
  if (other < 0) return ranks[0]!;
  const problem = `its rank is ${ranks[other]}, that of ${loras[0]!.where} is ${ranks[0]}, and linear adds matrices of one rank`;
  throw cannotAdd(loras[other]!.where, problem, 'use cat, which is exact, or svd with a rank');
}

/** Ends of names: A, and the B beside it. */
const pairs = { 'lora_A.weight': 'lora_B.weight', lora_embedding_A: 'lora_embedding_B' } as const;
type Kind = keyof typeof pairs;
const kinds = Object.keys(pairs) as Kind[];
const isAddition = (name: string): boolean => /\.(lora_[AB]\.weight|lora_embedding_[AB])$/.test(name);

interface Place {
  readonly path: string;
  readonly kind: Kind;
}

/** A layer that an adapter leaves alone gets nothing from it. By the name of A. */
function productsByLayer(loras: readonly Lora[]): Map<string, Product[]> {
  const layers = new Map<string, Product[]>();
  for (const lora of loras) {
    const byName = new Map(lora.tensors.map((tensor) => [tensor.name, tensor]));
    for (const name of byName.keys()) {
      const place = placeOf(name);
      if (!place) continue;
      const { scale } = rankAndScale(lora.method, place.path);
      const [a, b] = [matrixOf(byName.get(name)!), matrixOf(byName.get(`${place.path}.${pairs[place.kind]}`)!)];
      layers.set(name, [...(layers.get(name) ?? []), { a, b, factor: lora.weight * scale }]);
    }
  }
  return layers;
}

/** Patterns may give one layer another rank in each adapter, though the largest are the same. */
function refuseUnequalRanks(layers: ReadonlyMap<string, readonly Product[]>, loras: readonly Lora[]): void {
  for (const [name, products] of layers) {
    const ranks = products.map(({ a }) => a.rows);
    if (ranks.every((rank) => rank === ranks[0])) continue;
    const problem = `the adapters have ranks ${ranks.join(' and ')} at ${placeOf(name)!.path}, and linear adds matrices of one rank`;
    throw cannotAdd(loras.at(-1)!.where, problem, 'use cat, which is exact, or svd with a rank');
  }
}

function placeOf(name: string): Place | undefined {
  const kind = kinds.find((end) => name.endsWith(`.${end}`));
  return kind && { kind, path: name.slice(0, -kind.length - 1) };
}

const matrixOf = ({ shape, data }: SumTensor): Matrix => ({
  rows: shape[0]!,
  columns: shape[1]!,
  data: Float64Array.from(data),
});

function tensorsOf(nameOfA: string, { a, b }: Pick<Product, 'a' | 'b'>): SumTensor[] {
  const { path, kind } = placeOf(nameOfA)!;
  const tensor = (name: string, { rows, columns, data }: Matrix): SumTensor => {
    return { name, dtype: 'float32', shape: [rows, columns], data: Float32Array.from(data) };
  };
  return [tensor(nameOfA, a), tensor(`${path}.${pairs[kind]}`, b)];
}

/** Heads and modules that were trained whole stay as they are: where two have one, they have to be the same. */
function wholeTensors(loras: readonly Lora[]): SumTensor[] {
  const found = new Map<string, { readonly tensor: SumTensor; readonly where: string }>();
  for (const { tensors, where } of loras) {
    for (const tensor of tensors.filter(({ name }) => !isAddition(name))) {
      const other = found.get(tensor.name);
      if (other && !isSame(other.tensor, tensor)) {
        const problem = `it has its own '${tensor.name}', and so has ${other.where}: weights that were trained whole do not add up`;
        throw cannotAdd(
          where,
          problem,
          'add adapters that have the same head, or none, such as those of language models',
        );
      }
      found.set(tensor.name, { tensor, where });
    }
  }
  return [...found.values()].map(({ tensor }) => tensor);
}

const isSame = (a: SumTensor, b: SumTensor): boolean =>
  a.data.length === b.data.length && a.data.every((value, i) => value === b.data[i]);

/** The first one's, with what the sum changed. */
function settingsOf(loras: readonly Lora[], layers: readonly string[], rank: number): LoraSettings {
  const saved = [...new Set(loras.flatMap(({ method }) => method.modules_to_save ?? []))];
  const isTied = loras.some(({ method }) => method.ensure_weight_tying);
  const { exclude_modules: _, modules_to_save: __, ...first } = loras[0]!.method;
  return {
    ...first,
    r: rank,
    lora_alpha: rank,
    use_rslora: false,
    rank_pattern: {},
    alpha_pattern: {},
    target_modules: targetsOf(loras) ?? layers.map((name) => placeOf(name)!.path),
    ...(saved.length > 0 && { modules_to_save: saved }),
    ...(isTied && { ensure_weight_tying: true }),
  };
}

/** Names that were given to all, together; undefined where a rule chose the layers of one: then each is named by itself. */
function targetsOf(loras: readonly Lora[]): string[] | undefined {
  const lists = loras.map(({ method }) => (method.exclude_modules === undefined ? method.target_modules : undefined));
  return lists.every((list) => Array.isArray(list)) ? [...new Set(lists.flat() as string[])] : undefined;
}

const cannotAdd = (where: string, problem: string, fix = 'leave it out, or merge it into the base by itself') =>
  new AttuneError({ code: 'ADAPTER_SUM', where, problem, fix });
