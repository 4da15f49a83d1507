/** Named sizes of a run, read off what is fed, and the arrays that its outputs need. */
import {
  type Data,
  type DType,
  evaluateShape,
  leaves,
  type Shape,
  type Sizes,
  sizeOf,
  type Tensor,
} from '../graph/index.ts';
import { feedOf, type Value, type Values } from './session.ts';

/** Feeds in the order of `inputs`, and the sizes they name. Throws where a feed contradicts the graph or another feed. */
export function bindFeeds(inputs: readonly Tensor[], feeds: Values): { values: Value[]; sizes: Sizes } {
  const values = inputs.map((tensor) => {
    const value = feedOf(feeds, tensor.name!);
    if (value.dtype !== tensor.dtype || value.shape.length !== tensor.shape.length) throw mismatch(tensor, value);
    return value;
  });
  const sizes = sizesOf(inputs, feeds);
  inputs.forEach((tensor, i) => {
    const expected = evaluateShape(tensor.shape, sizes);
    if (expected.some((size, axis) => size !== values[i]!.shape[axis])) throw mismatch(tensor, values[i]!, expected);
  });
  return { values, sizes };
}

/** The sizes that the shapes of the fed inputs name. */
export function sizesOf(inputs: readonly Tensor[], feeds: Values): Sizes {
  const sizes: Record<string, number> = {};
  for (const { name, shape } of inputs) {
    const fed = feeds[name!]!.shape;
    shape.forEach((dim, axis) => {
      if (typeof dim === 'string' && !/[*+]/.test(dim)) sizes[dim] ??= fed[axis]!;
    });
  }
  return sizes;
}

function mismatch({ name, dtype, shape }: Tensor, value: Value, expected: Shape = shape): Error {
  return new Error(`internal: input '${name}' is ${dtype}[${expected}], but ${value.dtype}[${value.shape}] was fed`);
}

/** An array for every output: the caller's where it gave one, else a fresh one. */
export function placeOutputs(outputs: Readonly<Record<string, Tensor>>, sizes: Sizes, into: Values): [string, Value][] {
  return Object.entries(outputs).map(([name, { dtype, shape }]) => {
    const wanted = evaluateShape(shape, sizes);
    const given = into[name];
    if (!given) return [name, { dtype, shape: wanted, data: emptyData(dtype, sizeOf(wanted)) }];
    if (given.dtype !== dtype || given.data.length !== sizeOf(wanted)) {
      throw new Error(`internal: output '${name}' is ${dtype}[${wanted}], its place is ${given.dtype}[${given.shape}]`);
    }
    return [name, { ...given, shape: wanted }];
  });
}

function emptyData(dtype: DType, length: number): Data {
  if (dtype === 'float32') return new Float32Array(length);
  if (dtype === 'int32') return new Int32Array(length);
  if (dtype === 'int8') return new Int8Array(length);
  return dtype === 'int64' ? new BigInt64Array(length) : new Uint8Array(length);
}

/** Values that become part of a model, as the writer takes them. */
export const initializersOf = (constants: Values = {}): ReadonlyMap<string, Data> =>
  new Map(Object.entries(constants).map(([name, { data }]) => [name, data]));

/** The named leaves that a written model still has as inputs. */
export const graphInputs = (outputs: Readonly<Record<string, Tensor>>, live: ReadonlySet<string>): Tensor[] =>
  leaves(Object.values(outputs)).filter(({ name }) => name !== undefined && live.has(name));
