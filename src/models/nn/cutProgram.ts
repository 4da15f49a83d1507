/**
 * A program cut where its frozen part ends. What lies below depends on a row alone: it is computed once for each row,
 * and what lies above reads the results. No layer, method or architecture is named: the graph says where the cut is.
 */
import { flowsFrom, frontier, input, leaves, rebuild, type Tensor, topological } from '../../engine/graph/index.ts';
import type { Program } from './program.ts';
import type { Mask } from './scope.ts';

/** What the frozen part makes of a row, by the names under which the other part reads it. */
export type Features = Readonly<Record<string, Tensor>>;

export interface Cut<T> {
  readonly below: Program<Features>;
  readonly above: Program<T>;
  /** Both in one, for where nothing is to be kept. */
  readonly whole: Program<T>;
}

export interface CutOptions {
  /** Dropout stays wherever it is; by default there is none below the cut, where nothing is trained. */
  readonly dropsBelow: boolean;
}

/** What a program reads of a batch. */
export function batchInputsOf({ outputs, parameters, masks }: Program<object>): Tensor[] {
  const others = new Set([...parameters.flatMap(leavesOf), ...masks.map(({ tensor }) => tensor)]);
  return leaves(tensorsOf(outputs)).filter((leaf) => leaf.name !== undefined && !others.has(leaf));
}

/** Undefined where nothing is worth keeping. */
export function cutProgram<T extends object>(program: Program<T>, { dropsBelow }: CutOptions): Cut<T> | undefined {
  const outputs = tensorsOf(program.outputs);
  const trained = program.parameters.filter(({ parameter }) => parameter.trainable).map(({ tensor }) => tensor);
  const idle = dropsBelow ? [] : idleMasks(program, trained);
  const stays = program.masks.filter((mask) => !idle.includes(mask)).map(({ tensor }) => tensor);
  const undropped = new Map(idle.map(({ plain, dropped }) => [dropped, plain]));
  const kept = frontier(outputs, { changing: [...trained, ...stays], canKeep: isRowWise, aliases: undropped });
  if (kept.length === 0) return undefined;
  const below = new Set(leaves(kept));
  const removed = new Map(idle.filter(({ tensor }) => below.has(tensor)).map(({ plain, dropped }) => [dropped, plain]));
  const features = Object.fromEntries(kept.map((tensor, i) => [`features.${i}`, tensor]));
  const read = Object.entries(features).map(([name, { dtype, shape }]) => input(name, dtype, shape));
  const places = new Map(kept.map((tensor, i) => [tensor, read[i]!]));
  return {
    below: changed(program, { ...program, outputs: features }, removed),
    above: changed(program, program, new Map([...removed, ...places])),
    whole: changed(program, program, removed),
  };
}

/** Masks that nothing trained flows into. */
function idleMasks({ outputs, masks }: Program<object>, trained: readonly Tensor[]): Mask[] {
  const changing = flowsFrom(topological(tensorsOf(outputs)), trained);
  return masks.filter(({ plain }) => !changing.has(plain));
}

/** One array a row, of which the row's own tokens can be told from its padding. */
const isRowWise = ({ dtype, shape: [batch, ...rest] }: Tensor): boolean =>
  dtype === 'float32' &&
  batch === 'batch' &&
  rest.every((dim) => typeof dim === 'number' || dim === 'tokens') &&
  rest.filter((dim) => dim === 'tokens').length < 2;

/** A program with other tensors in the place of some, and only the parameters and masks that it still reads. */
function changed<T extends object>(
  { parameters, boundaries, ...kept }: Program<unknown>,
  { outputs, masks }: Pick<Program<T>, 'outputs' | 'masks'>,
  replacements: ReadonlyMap<Tensor, Tensor>,
): Program<T> {
  const old = [...tensorsOf(outputs), ...boundaries];
  const made = rebuild(old, replacements);
  const now = new Map(old.map((tensor, i) => [tensor, made[i]!]));
  const results = tensorsOf(outputs).map((tensor) => now.get(tensor)!);
  const read = new Set(leaves(results));
  const inside = new Set(topological(results).flatMap((node) => node.outputs));
  return {
    ...kept,
    outputs: mapTensors(outputs, (tensor) => now.get(tensor)!),
    parameters: parameters.filter((one) => leavesOf(one).some((leaf) => read.has(leaf))),
    masks: masks.filter(({ tensor }) => read.has(tensor)),
    boundaries: boundaries.map((tensor) => now.get(tensor)!).filter((tensor) => inside.has(tensor)),
  };
}

/** What a parameter is fed as. */
const leavesOf = ({ parameter, tensor }: Program<unknown>['parameters'][number]): readonly Tensor[] =>
  parameter.stored?.leaves ?? [tensor];

const isTensor = (value: object): value is Tensor => 'dtype' in value && 'shape' in value;

/** The tensors of nested records. */
const tensorsOf = (outputs: object): Tensor[] =>
  isTensor(outputs) ? [outputs] : Object.values(outputs).flatMap((value) => tensorsOf(value as object));

function mapTensors<T extends object>(outputs: T, change: (tensor: Tensor) => Tensor): T {
  if (isTensor(outputs)) return change(outputs) as Tensor & T;
  const entries = Object.entries(outputs).map(([name, value]) => [name, mapTensors(value as object, change)]);
  return Object.fromEntries(entries) as T;
}
