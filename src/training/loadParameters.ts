/** First values of a program's parameters: from an adapter, from the base's checkpoint, and fresh ones for the rest. */

import { normal, stream, uniform } from '../engine/random/index.ts';
import type { Values } from '../engine/runtime/index.ts';
import { AttuneError, nearest } from '../errors/index.ts';
import type { Checkpoint } from '../files/index.ts';
import type { Architecture } from '../models/index.ts';
import type { Derived, DerivedExactly, Initial, Parameter, Stored } from '../models/nn/index.ts';
import { refuseInBlocks } from './baseBlocks.ts';
import { areFinite } from './guards/finite.ts';
import { refuseLostChange } from './lostChange.ts';
import { formOf, type ParameterMemory, packedForm, valuesOf, valuesOfTensor } from './parameterMemory.ts';
import { refuseOtherHead } from './tiedHead.ts';

/** Weights, and what errors call them. */
export interface NamedCheckpoint extends Checkpoint {
  readonly where: string;
}

export interface Loading {
  readonly base: NamedCheckpoint;
  /** What a partial method saved, under the names that parameters have. Every tensor of it must find its place. */
  readonly adapter?: NamedCheckpoint | undefined;
  readonly architecture: Pick<Architecture, 'prefix' | 'legacyName' | 'languageModel'>;
  readonly seed: number;
  /** The saved head answers another question: it is left there, and a new one starts fresh. */
  readonly newHead?: boolean;
}

export interface Loaded {
  /** Parameters that no checkpoint has and that start fresh. */
  readonly fresh: readonly string[];
  /** Tensors of the base that no parameter asked for. */
  readonly unused: readonly string[];
}

interface Place {
  readonly checkpoint: NamedCheckpoint;
  readonly name: string;
}

interface Placed {
  readonly parameter: Parameter;
  /** Undefined where it starts fresh. */
  readonly place: Place | undefined;
}

/** Where each parameter's values lie. Throws if a tensor is missing, left over, or of another shape. */
export function placeParameters(parameters: readonly Parameter[], loading: Loading): readonly Placed[] {
  const found = parameters.map((parameter) => ({ parameter, place: placeOf(parameter, loading) }));
  const bringsHead = found.some(({ parameter, place }) => parameter.head && place?.checkpoint === loading.adapter);
  for (const { parameter, place } of found) checkPlace(parameter, place, { ...loading, bringsHead });
  refuseLeftOver(parameters, loading);
  refuseInBlocks(namesInBase(parameters, loading), loading.base, loading.architecture);
  return found;
}

/** Fills the memory. Throws before anything is read if the checkpoints do not fit. */
export async function loadParameters(
  memory: ParameterMemory,
  parameters: readonly Parameter[],
  loading: Loading,
): Promise<Loaded> {
  const found = await keptFromBase(placeParameters(parameters, loading), loading);
  await refuseOtherHeads(parameters, loading);
  const fresh = found.filter(({ place }) => !place).map(({ parameter }) => parameter);
  for (const placed of inOrder(found)) await loadOne(memory, placed, { fresh, seed: loading.seed });
  for (const parameter of fresh) if (isDerived(parameter.fresh)) derive(memory, parameter);
  const used = new Set(found.map(({ place }) => place?.checkpoint === loading.base && place.name));
  return {
    fresh: fresh.map(({ name }) => name),
    unused: loading.base.names.filter((name) => !used.has(name)),
  };
}

/** What is replaced comes last: what it is made of, with whatever else starts from it, is there then. */
export const inOrder = <T extends { readonly parameter: Parameter }>(found: readonly T[]): T[] => [
  ...found.filter(({ parameter }) => !parameter.replaced),
  ...found.filter(({ parameter }) => parameter.replaced),
];

/** What a run does not train it does not save either: it has to be what the base has, whatever the adapter brings. */
async function keptFromBase(found: readonly Placed[], loading: Loading): Promise<readonly Placed[]> {
  const kept: Placed[] = [];
  for (const placed of found) {
    const { parameter, place } = placed;
    const isSaved = parameter.trainable || parameter.added;
    if (isSaved || place === undefined || place.checkpoint !== loading.adapter) {
      kept.push(placed);
      continue;
    }
    const original = inBase(parameter.name, loading);
    await refuseLostChange(place, original);
    kept.push({ parameter, place: original });
  }
  return kept;
}

interface Starting {
  /** Parameters that no checkpoint has. */
  readonly fresh: readonly Parameter[];
  readonly seed: number;
}

async function loadOne(
  memory: ParameterMemory,
  { parameter, place }: Placed,
  { fresh, seed }: Starting,
): Promise<void> {
  const { name, shape, stored } = parameter;
  if (stored?.own && place) {
    memory.packed.set(name, await ownForm(place, stored));
    return;
  }
  const values = stored ? new Float32Array(shape.reduce((a, b) => a * b, 1)) : valuesOf(memory, name);
  if (place) await readFinite(place, values);
  else if (isPlain(parameter.fresh)) fillFresh(values, parameter, seed);
  for (const { name: own, fresh: start } of fresh) {
    if (isExact(start) && start.ofFile === name) valuesOf(memory, own).set(start.compute(values));
  }
  const kept = keptValues(parameter, values, (other) => valuesOf(memory, other));
  if (stored) memory.packed.set(name, packedForm(stored, kept));
  else if (kept !== values) values.set(kept);
}

/** What is kept of a weight, from its values in the file. */
export function keptValues(
  { replaced, stored }: Parameter,
  values: Float32Array,
  valuesOfOther: (name: string) => Float32Array,
): Float32Array {
  if (!replaced) return values;
  const made = replaced.compute(values, ...replaced.from.map(valuesOfOther));
  return stored ? made : replaced.rounded(made);
}

/** A frozen weight in the blocks of its file. */
export async function ownForm(place: Place, stored: Stored): Promise<Values> {
  const { values, scales, offsets } = await place.checkpoint.readOwnBlocks!(place.name);
  for (const numbers of [scales, offsets]) if (numbers) refuseNotFinite(place, numbers);
  return formOf(stored, offsets ? [values, scales, offsets] : [values, scales]);
}

async function readFinite(place: Place, values: Float32Array): Promise<void> {
  await place.checkpoint.readFloats(place.name, values);
  refuseNotFinite(place, values);
}

/** One bad value spreads to all that is computed from it: such a file is refused before anything is. */
export function refuseNotFinite({ checkpoint, name }: Place, values: Float32Array): void {
  if (areFinite(values)) return;
  const at = values.findIndex((value) => !Number.isFinite(value));
  throw new AttuneError({
    code: 'WEIGHTS_NOT_FINITE',
    where: `${checkpoint.where} '${name}'`,
    problem: `value ${at} of ${values.length} is ${values[at]}`,
    fix: 'fetch or copy the file again, or use a checkpoint from before it broke',
  });
}

function placeOf({ name, head }: Parameter, loading: Loading): Place | undefined {
  const { adapter, newHead } = loading;
  if (head && newHead) return undefined;
  if (adapter?.shapeOf(name)) return { checkpoint: adapter, name };
  return inBase(name, loading);
}

function inBase(name: string, loading: Loading): Place | undefined {
  const stored = nameInBase(name, loading);
  return stored === undefined ? undefined : { checkpoint: loading.base, name: stored };
}

/** A bare encoder's file has no 'bert.' in front of its names; a model with a head has. Some files have older names. */
export function nameInBase(
  name: string,
  { base, architecture }: Pick<Loading, 'base' | 'architecture'>,
): string | undefined {
  const { prefix, legacyName = (current) => current } = architecture;
  const bare = name.startsWith(`${prefix}.`) ? name.slice(prefix.length + 1) : name;
  return [name, bare, legacyName(name), legacyName(bare)].find((candidate) => base.shapeOf(candidate));
}

/** Looks at values: nothing is read before names and shapes are known to fit. */
export async function refuseOtherHeads(parameters: readonly Parameter[], loading: Loading): Promise<void> {
  const { base } = loading;
  for (const { name, alsoNamed: head } of parameters) {
    const embedding = nameInBase(name, loading);
    if (head !== undefined && embedding !== undefined) await refuseOtherHead({ base, embedding, head });
  }
}

function namesInBase(parameters: readonly Parameter[], loading: Loading): ReadonlySet<string> {
  return new Set(parameters.flatMap(({ name }) => nameInBase(name, loading) ?? []));
}

interface Checking extends Loading {
  /** Another program may have left the base's head as it is: then none is saved. */
  readonly bringsHead: boolean;
}

function checkPlace(parameter: Parameter, place: Place | undefined, checking: Checking): void {
  const { name, shape, fresh, head, trainable, added } = parameter;
  const { base, adapter, newHead, bringsHead } = checking;
  const isElsewhere = head && (newHead || (place && !bringsHead));
  if (adapter && (trainable || added) && place?.checkpoint !== adapter && !isElsewhere) {
    throw mismatch('ADAPTER_MISMATCH', adapter.where, `it has no tensor '${name}'${hint(name, adapter.names)}`);
  }
  if (!place) {
    if (fresh) return;
    throw mismatch('MODEL_WEIGHTS', base.where, `it has no tensor '${name}'${hint(name, base.names)}`);
  }
  const stored = place.checkpoint.shapeOf(place.name)!;
  if (stored.length === shape.length && stored.every((size, axis) => size === shape[axis])) return;
  const code = place.checkpoint === base ? 'MODEL_WEIGHTS' : 'ADAPTER_MISMATCH';
  const problem = `its shape is [${stored.join(', ')}], the model has [${shape.join(', ')}]`;
  throw mismatch(code, `${place.checkpoint.where} '${place.name}'`, problem);
}

/** An adapter that is half used gives answers that nobody trained. */
function refuseLeftOver(parameters: readonly Parameter[], { adapter }: Loading): void {
  const wanted = new Map(parameters.map((parameter) => [parameter.name, parameter]));
  const left = adapter?.names.find((name) => !wanted.has(name));
  if (left === undefined) return;
  const problem = `the model has no place for its tensor '${left}'${hint(left, wanted.keys())}`;
  throw mismatch('ADAPTER_MISMATCH', adapter!.where, problem);
}

function hint(name: string, names: Iterable<string>): string {
  const close = nearest(name, names);
  return close === undefined ? '' : `; the nearest name is '${close}'`;
}

function mismatch(code: 'MODEL_WEIGHTS' | 'ADAPTER_MISMATCH', where: string, problem: string): AttuneError {
  const fix =
    code === 'MODEL_WEIGHTS'
      ? 'use weights that belong to this config.json'
      : 'use the adapter with the base and the settings that it was made with';
  return new AttuneError({ code, where, problem, fix });
}

const isDerived = (fresh: Initial | undefined): fresh is Derived => typeof fresh === 'object' && 'from' in fresh;
const isExact = (fresh: Initial | undefined): fresh is DerivedExactly => typeof fresh === 'object' && 'ofFile' in fresh;
const isPlain = (fresh: Initial | undefined): boolean => !isDerived(fresh) && !isExact(fresh);

/** What starts from a weight of the model, once all of these are loaded. */
function derive(memory: ParameterMemory, { name, fresh }: Parameter): void {
  const { from, compute } = fresh as Derived;
  valuesOf(memory, name).set(compute(valuesOfTensor(memory, from)));
}

function fillFresh(values: Float32Array, { name, fresh }: Parameter, seed: number): void {
  const initial = fresh as Exclude<Initial, Derived | DerivedExactly>;
  if (initial === 'zeros' || initial === 'ones') {
    values.fill(initial === 'ones' ? 1 : 0);
    return;
  }
  if ('constant' in initial) {
    values.fill(initial.constant);
    return;
  }
  const random = stream(seed, `init ${name}`);
  const draw =
    'normal' in initial
      ? (i: number) => initial.normal.standardDeviation * normal(random, i)
      : (i: number) => initial.uniform.bound * (2 * uniform(random, i) - 1);
  for (let i = 0; i < values.length; i++) values[i] = draw(i);
}
