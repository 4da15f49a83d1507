/** First values of a program's parameters: from the checkpoint, and fresh ones for what it does not have. */
import { normal, stream, uniform } from '../engine/random/index.ts';
import { AttuneError, nearest } from '../errors/index.ts';
import type { Checkpoint } from '../files/index.ts';
import type { Architecture } from '../models/index.ts';
import type { Initial, Parameter } from '../models/nn/index.ts';
import { type ParameterMemory, valuesOf } from './parameterMemory.ts';

export interface Loading {
  readonly checkpoint: Checkpoint;
  readonly architecture: Pick<Architecture, 'prefix' | 'legacyName'>;
  readonly seed: number;
  /** What errors call the checkpoint. */
  readonly where: string;
  /** The checkpoint's head answers another question: it is left there, and a new one starts fresh. */
  readonly newHead?: boolean;
}

export interface Loaded {
  /** Parameters that the checkpoint does not have and that start fresh. */
  readonly fresh: readonly string[];
  /** Tensors of the checkpoint that no parameter asked for. */
  readonly unused: readonly string[];
}

/** Fills the memory. Throws before anything is read if a tensor is missing or has another shape. */
export async function loadParameters(
  memory: ParameterMemory,
  parameters: readonly Parameter[],
  loading: Loading,
): Promise<Loaded> {
  const found = parameters.map((parameter) => ({ parameter, stored: storedName(parameter, loading) }));
  const shapeOf = (stored: string): readonly number[] => loading.checkpoint.shapeOf(stored)!;
  for (const { parameter, stored } of found)
    checkShape(parameter, stored && { stored, shape: shapeOf(stored) }, loading);
  for (const { parameter, stored } of found) {
    const values = valuesOf(memory, parameter.name);
    if (stored) await loading.checkpoint.readFloats(stored, values);
    else fillFresh(values, parameter, loading.seed);
  }
  const used = new Set(found.map(({ stored }) => stored));
  return {
    fresh: found.filter(({ stored }) => !stored).map(({ parameter }) => parameter.name),
    unused: loading.checkpoint.names.filter((name) => !used.has(name)),
  };
}

/** A bare encoder's file has no 'bert.' in front of its names; a model with a head has. Some files have older names. */
function storedName({ name, head }: Parameter, { checkpoint, architecture, newHead }: Loading): string | undefined {
  if (head && newHead) return undefined;
  const { prefix, legacyName = (current) => current } = architecture;
  const bare = name.startsWith(`${prefix}.`) ? name.slice(prefix.length + 1) : name;
  const candidates = [name, bare, legacyName(name), legacyName(bare)];
  return candidates.find((candidate) => checkpoint.shapeOf(candidate) !== undefined);
}

interface Stored {
  readonly stored: string;
  readonly shape: readonly number[];
}

function checkShape(parameter: Parameter, stored: Stored | '' | undefined, { checkpoint, where }: Loading): void {
  const { name, shape, fresh } = parameter;
  if (!stored) {
    if (fresh) return;
    const close = nearest(name, checkpoint.names);
    throw new AttuneError({
      code: 'MODEL_WEIGHTS',
      where,
      problem: `it has no tensor '${name}'${close ? `; the nearest name is '${close}'` : ''}`,
      fix: 'use weights that belong to this config.json',
    });
  }
  if (stored.shape.length === shape.length && stored.shape.every((size, axis) => size === shape[axis])) return;
  throw new AttuneError({
    code: 'MODEL_WEIGHTS',
    where: `${where} '${stored.stored}'`,
    problem: `its shape is [${stored.shape.join(', ')}], config.json asks for [${shape.join(', ')}]`,
    fix: 'use weights that belong to this config.json, and as many labels as the head has',
  });
}

function fillFresh(values: Float32Array, { name, fresh }: Parameter, seed: number): void {
  const initial: Initial = fresh!;
  if (initial === 'zeros' || initial === 'ones') {
    values.fill(initial === 'ones' ? 1 : 0);
    return;
  }
  const random = stream(seed, `init ${name}`);
  const draw =
    'normal' in initial
      ? (i: number) => initial.normal.standardDeviation * normal(random, i)
      : (i: number) => initial.uniform.bound * (2 * uniform(random, i) - 1);
  for (let i = 0; i < values.length; i++) values[i] = draw(i);
}
