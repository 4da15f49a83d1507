/**
 * Where trained parameters live: weights, gradients and the optimizer's moments, side by side in memory that the
 * compiled kernels and ONNX Runtime both work on in place. Frozen parameters are plain arrays.
 */

import { type Data, type HostArray, interpret, leaves, type Tensor } from '../engine/graph/index.ts';
import { alignFloats, FIRST_ADDRESS, type Kernels, openKernels } from '../engine/kernels/index.ts';
import type { Value, Values } from '../engine/runtime/index.ts';
import type { Parameter, Program, Stored } from '../models/nn/index.ts';

/** What a WebAssembly memory can address; larger models use several. */
const MAX_SHARD_BYTES = 2 ** 32 - 2 ** 16;
const FLOAT_BYTES = 4;
const regions = ['weight', 'gradient', 'mean', 'square', 'total'] as const;
export type Region = (typeof regions)[number];
/** What a step needs of the steps before it. Gradients and their total are made anew in each. */
export const stateRegions = regions.filter((region) => region !== 'gradient' && region !== 'total');

export interface Slot {
  readonly parameter: Parameter;
  /** In floats from the start of each region. */
  readonly start: number;
  readonly count: number;
  readonly arrays: Readonly<Record<Region, Float32Array>>;
}

/** One memory. Region r starts at byte `addressOf(r)`; each is `floats` long. */
export interface Shard {
  readonly kernels: Kernels;
  readonly floats: number;
  readonly slots: readonly Slot[];
  addressOf(region: Region, start?: number): number;
}

/** An array that belongs to no parameter. */
export interface Remembered {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

export interface ParameterMemory {
  readonly shards: readonly Shard[];
  readonly trained: ReadonlyMap<string, Slot>;
  readonly frozen: ReadonlyMap<string, Float32Array>;
  /** Frozen parameters that are kept in another form, once they are loaded: what it is made of, as it is fed. */
  readonly packed: Map<string, Values>;
  /** What steps go on from beside weights and moments, once there is a trainer: by name. */
  readonly remembered: Map<string, Remembered>;
}

/** Weights that only answer. */
export const frozenMemory = (
  frozen: ReadonlyMap<string, Float32Array>,
  packed: Map<string, Values> = new Map(),
): ParameterMemory => ({ shards: [], trained: new Map(), frozen, packed, remembered: new Map() });

const sizeOf = ({ shape }: Parameter): number => shape.reduce((a, b) => a * b, 1);

/** Memory for all parameters of a program, filled with zeros. */
export function allocateParameters(parameters: readonly Parameter[]): ParameterMemory {
  const trained = parameters.filter(({ trainable }) => trainable);
  const frozen = parameters.filter(({ trainable }) => !trainable);
  const plain = frozen.filter(({ stored }) => !stored);
  const shards = packShards(trained).map(openShard);
  return {
    shards,
    trained: new Map(shards.flatMap(({ slots }) => slots.map((slot) => [slot.parameter.name, slot] as const))),
    frozen: new Map(plain.map((parameter) => [parameter.name, new Float32Array(sizeOf(parameter))] as const)),
    packed: new Map(),
    remembered: new Map(),
  };
}

/** Parameters that the optimizer treats alike stand together: vectors last, and by their learning rate. */
function packShards(trained: readonly Parameter[]): Parameter[][] {
  const byRate = trained.toSorted((a, b) => a.learningRateScale - b.learningRateScale);
  const ordered = [
    ...byRate.filter(({ shape }) => shape.length > 1),
    ...byRate.filter(({ shape }) => shape.length < 2),
  ];
  const limit = Math.floor(MAX_SHARD_BYTES / FLOAT_BYTES / regions.length) - FIRST_ADDRESS;
  const shards: Parameter[][] = [];
  let room = 0;
  for (const parameter of ordered) {
    const floats = alignFloats(sizeOf(parameter));
    if (floats > room || shards.length === 0) {
      shards.push([]);
      room = limit;
    }
    shards.at(-1)!.push(parameter);
    room -= floats;
  }
  return shards;
}

function openShard(parameters: readonly Parameter[]): Shard {
  const floats = parameters.reduce((total, parameter) => total + alignFloats(sizeOf(parameter)), 0);
  const kernels = openKernels(FIRST_ADDRESS + floats * FLOAT_BYTES * regions.length);
  const addressOf = (region: Region, start = 0): number =>
    FIRST_ADDRESS + (regions.indexOf(region) * floats + start) * FLOAT_BYTES;
  let start = 0;
  const slots = parameters.map((parameter): Slot => {
    const at = start;
    const count = sizeOf(parameter);
    start += alignFloats(count);
    const view = (region: Region) => new Float32Array(kernels.memory.buffer, addressOf(region, at), count);
    const arrays = Object.fromEntries(regions.map((region) => [region, view(region)])) as Slot['arrays'];
    return { parameter, start: at, count, arrays };
  });
  return { kernels, floats, slots, addressOf };
}

/** Values in the form that a parameter is kept in, as it is fed. */
export const packedForm = (stored: Stored, values: Float32Array): Values => formOf(stored, stored.pack(values));

/** A weight's parts, in the order of its leaves, as they are fed. */
export function formOf({ leaves }: Stored, data: readonly Data[]): Values {
  return Object.fromEntries(
    leaves.map(({ name, dtype, shape }, i) => [name!, { dtype, shape: shape as readonly number[], data: data[i]! }]),
  );
}

/** Frozen weights in another form: they never change. */
export const packedValues = ({ packed }: ParameterMemory): Values => Object.assign({}, ...packed.values());

/** The values of a parameter, trained or frozen, that is kept as it is. */
export function valuesOf({ trained, frozen }: ParameterMemory, name: string): Float32Array {
  const values = trained.get(name)?.arrays.weight ?? frozen.get(name);
  if (!values) throw new Error(`internal: there is no parameter '${name}'`);
  return values;
}

/** What a weight is in the graph: unpacked where it is kept in another form, turned where it is stored turned. */
export function valuesOfTensor(memory: ParameterMemory, tensor: Tensor): Float32Array {
  if (!tensor.node) return valuesOf(memory, tensor.name!);
  const packed: Values = Object.assign({}, ...memory.packed.values());
  const feeds = leaves([tensor]).map((leaf): [Tensor, HostArray] => {
    const data = packed[leaf.name!]?.data ?? valuesOf(memory, leaf.name!);
    return [leaf, { shape: leaf.shape as number[], data: Float64Array.from(data as Float32Array) }];
  });
  return Float32Array.from(interpret([tensor], new Map(feeds), {})[0]!.data);
}

/** Every parameter as a feed over its own memory. */
export const parameterValues = ({ parameters }: Program<unknown>, memory: ParameterMemory): Values =>
  Object.fromEntries(
    parameters.flatMap(({ parameter: { name, shape } }): [string, Value][] => {
      const packed = memory.packed.get(name);
      return packed ? Object.entries(packed) : [[name, { dtype: 'float32', shape, data: valuesOf(memory, name) }]];
    }),
  );
