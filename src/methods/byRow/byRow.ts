/**
 * Each row of a batch with an adapter of its own, or with none: y = f ⊙ W(g ⊙ x) + B·A x + V x + o, where f, g, A, B, V and o
 * belong to the row's adapter. W is read once for all rows. Rows read their arrays out of stacks [S, …] by number, so that
 * one graph serves any adapters: ranks are filled up with zeros to the largest of a batch, which adds exactly nothing.
 */
// B rows · T tokens · S adapters of the batch · R their largest rank · M their widest bottleneck
import { type Dim, input, type Shape, type Tensor } from '../../engine/graph/index.ts';
import { add, gather, matmul, mul, reshape } from '../../engine/ops/index.ts';
import type { LinearSite, Method, SublayerSite } from '../../models/nn/index.ts';
import { type BottleneckKind, bottleneckKinds } from '../adapter.ts';
import { type BottleneckPart, bottleneckPart, type LinearPart, linearPart } from './parts.ts';

/** An input that holds an array of each adapter of a batch: [S, lead, …]. A lead without a number is the largest there is. */
export interface Stack {
  readonly shape: Shape;
  /** What stands where an adapter has nothing. */
  readonly fill: 0 | 1;
}

export interface ByRowMethod extends Method {
  /** By the names of the inputs, once the model is built. */
  readonly stacks: ReadonlyMap<string, Stack>;
}

/** Which array of the stacks each row reads. [B] */
export const OWNERS = 'adapter_of_row';

type Own = (name: string, shape: Shape, fill?: Stack['fill']) => Tensor | undefined;

/** `names`: those of all parts that some adapter has. What none has is not in the graph. */
export function byRowMethod(names: ReadonlySet<string>): ByRowMethod {
  const stacks = new Map<string, Stack>();
  const owners = input(OWNERS, 'int32', ['batch']);
  const own: Own = (name, shape, fill = 0) => {
    if (!names.has(name)) return undefined;
    if (stacks.has(name)) throw new Error(`internal: two places of the model are called '${name}'`);
    const stack = input(name, 'float32', ['adapters', ...shape]);
    stacks.set(name, { shape: stack.shape, fill });
    return gather(stack, owners); // [B, ...shape]
  };
  return {
    name: 'by_row',
    stacks,
    linear: (site, next) => (site.head ? headByRow(site, own) : linearByRow(site, next, own)),
    sublayerOutput: (site, next) => next(bottlenecksByRow(site, own)),
  };
}

function linearByRow(site: LinearSite, next: (x?: Tensor) => Tensor, own: Own): Tensor {
  const { path, x } = site;
  const [out, width] = site.weight.shape as [number, number];
  const part = (name: LinearPart, shape: Shape, fill?: Stack['fill']) => own(linearPart(path, name), shape, fill);
  const inputFactor = part('input_factor', [width], 1);
  const factor = part('factor', [out], 1);
  let y = next(inputFactor ? mul(x, perToken(inputFactor, x)) : x);
  if (factor) y = mul(y, perToken(factor, y));
  const [a, b] = [part('a', [`rank of ${path}`, width]), part('b', [`rank of ${path}`, out])]; // [B, R, in], [B, R, out]
  if (a && b)
    y = add(
      y,
      byTokens(x, (tokens) => matmul(matmul(tokens, a, { transB: true }), b)),
    );
  const weight = part('weight', [out, width]);
  if (weight)
    y = add(
      y,
      byTokens(x, (tokens) => matmul(tokens, weight, { transB: true })),
    );
  const offset = part('offset', [out]);
  return offset ? add(y, perToken(offset, y)) : y;
}

/** Heads share nothing, and answer with labels of their own. [B, most labels] */
function headByRow({ path, x }: LinearSite, own: Own): Tensor {
  const weight = own(linearPart(path, 'weight'), ['labels', x.shape.at(-1)!]);
  const offset = own(linearPart(path, 'offset'), ['labels']);
  if (!weight) throw new Error(`internal: no adapter has a head at '${path}'`);
  const y = byTokens(x, (tokens) => matmul(tokens, weight, { transB: true }));
  return offset ? add(y, offset) : y;
}

/** y + Σ U f(D h + d) + u over the kinds that the batch has: zeros where a row's adapter is of another. */
function bottlenecksByRow(site: SublayerSite, own: Own): Tensor {
  const added = bottleneckKinds.flatMap((kind) => bottleneckByRow(site, kind, own) ?? []);
  return added.reduce((sum, one) => add(sum, one), site.y);
}

function bottleneckByRow(site: SublayerSite, kind: BottleneckKind, own: Own): Tensor | undefined {
  const width = site.y.shape.at(-1) as number;
  const narrow = `width of ${kind.name} at ${site.path}`;
  const part = (name: BottleneckPart, shape: Shape) => own(bottleneckPart(site.path, kind.name, name), shape);
  const [down, up] = [part('down', [narrow, width]), part('up', [narrow, width])]; // [B, M, D]
  const [downBias, upBias] = [part('down_bias', [narrow]), part('up_bias', [width])];
  if (!down || !up || !downBias || !upBias) return undefined;
  return byTokens(kind.reads(site), (h) => {
    const inner = matmul(h, down, { transB: true }); // [B, T, M]
    const middle = kind.activation(add(inner, perToken(downBias, inner)));
    return add(matmul(middle, up), perToken(upBias, h)); // [B, T, D]
  });
}

/** What is computed of [B, T, in], also where each row is one vector [B, in]. */
function byTokens(x: Tensor, compute: (tokens: Tensor) => Tensor): Tensor {
  const [rows, ...rest] = x.shape as [Dim, ...Dim[]];
  if (rest.length > 1) return compute(x);
  const y = compute(reshape(x, [rows, 1, ...rest]));
  return reshape(y, [rows, y.shape.at(-1)!]);
}

/** A vector of each row, for all its tokens: [B, width], or [B, 1, width] where y has tokens. */
function perToken(vector: Tensor, y: Tensor): Tensor {
  const [rows, width] = vector.shape as [Dim, Dim];
  return y.shape.length === 2 ? vector : reshape(vector, [rows, 1, width]);
}
