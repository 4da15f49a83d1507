/** Where a step went wrong: the first layer whose values are not finite, and the rows that do it by themselves. */
import { type Node, type Tensor, topological } from '../../engine/graph/index.ts';
import { mul, sumAll } from '../../engine/ops/index.ts';
import { type OpenSession, sizesOf, type Value, type Values } from '../../engine/runtime/index.ts';
import { batchInputsOf, type Program, trainedOf } from '../../models/nn/index.ts';
import type { Loss } from '../../tasks/index.ts';
import type { MicroBatch, StepLoss } from '../gradientSession.ts';
import type { MaskSource, Place } from '../masks.ts';
import type { ParameterMemory } from '../parameterMemory.ts';
import type { GradientRegion } from '../tables.ts';
import { areFinite } from './finite.ts';

export interface Finding {
  /** What is not finite, and where: a weight, a layer of the model, a gradient. Undefined where everything is finite. */
  readonly layer: string | undefined;
  /** Of the step's rows, in their order: those whose own loss is not finite; else the one with the largest. */
  readonly rows: readonly number[];
}

/** What to look for: neither is free. */
export interface Looking {
  readonly layer: boolean;
  readonly rows: boolean;
}

export interface Examined {
  readonly program: Program<{ loss: Loss }>;
  readonly memory: ParameterMemory;
  readonly masks: MaskSource;
  readonly open: OpenSession;
  readonly threads: number;
  /** Where the step's gradients are. */
  readonly region: GradientRegion;
  /** All weights as feeds. */
  readonly weights: Values;
  /** Loss of a batch. Overwrites the gradients. */
  run(batch: MicroBatch, place: Place): Promise<StepLoss>;
}

export async function examine(
  examined: Examined,
  batches: readonly MicroBatch[],
  { step, looking }: { step: number; looking: Looking },
): Promise<Finding> {
  return {
    layer: looking.layer ? await firstNotFinite(examined, batches, step) : undefined,
    rows: looking.rows ? await worstRows(examined, batches, step) : [],
  };
}

/** A weight, else a layer on the way to the loss, else a gradient on the way back. */
async function firstNotFinite(examined: Examined, batches: readonly MicroBatch[], step: number) {
  const { program, memory, region } = examined;
  const weight = brokenWeight(memory);
  if (weight !== undefined) return `the weight ${weight}`;
  const layer = await firstInForward(examined, batches, step);
  if (layer !== undefined) return layer;
  const names = trainedOf(program).map(({ parameter: { name } }) => name);
  const gradient = names.findLast((name) => !areFinite(memory.trained.get(name)!.arrays[region]));
  return gradient === undefined ? undefined : `the gradient of ${gradient}`;
}

/** The first trained weight that is not finite. The others were looked at when they were read. */
export function brokenWeight({ trained }: ParameterMemory): string | undefined {
  for (const [name, { arrays }] of trained) if (!areFinite(arrays.weight)) return name;
  return undefined;
}

/** Runs the forward graph with a probe behind every operation: 0 where all values are finite, else NaN. */
async function firstInForward(
  { program, masks, open, threads, weights }: Examined,
  batches: readonly MicroBatch[],
  step: number,
): Promise<string | undefined> {
  const names = new Set(program.parameters.map(({ parameter: { name } }) => name));
  const probed = probedLayers(program.outputs.loss.sum, names);
  const probes = probed.map(({ output }, i) => [`probe.${i}`, sumAll(mul(output, 0))] as const);
  const inputs = batchInputsOf(program);
  await using session = await open(Object.fromEntries(probes), { threads });
  for (const [part, { feeds }] of batches.entries()) {
    const drawn = masks.draw(sizesOf(inputs, feeds), { step, part });
    const values = await session.run({ ...weights, ...feeds, ...drawn });
    const first = probed.find((_, i) => values[`probe.${i}`]!.data[0] !== 0);
    if (first) return first.layer;
  }
  return undefined;
}

interface Probed {
  readonly output: Tensor;
  readonly layer: string;
}

/** Every float that the loss is computed from, in the order of computing, and the layer whose weights are nearest. */
function probedLayers(loss: Tensor, parameters: ReadonlySet<string>): Probed[] {
  const nearest = new Map<Node, string>();
  const moduleOf = (tensor: Tensor): string | undefined => {
    if (tensor.node) return nearest.get(tensor.node);
    return tensor.name !== undefined && parameters.has(tensor.name) ? tensor.name.replace(/\.[^.]*$/, '') : undefined;
  };
  return topological([loss]).flatMap((node) => {
    const own = node.inputs.filter((tensor) => !tensor.node).map(moduleOf);
    const module = [...node.inputs.map(moduleOf), ...own].findLast((name) => name !== undefined) ?? 'the inputs';
    nearest.set(node, module);
    const output = node.outputs[0]!;
    return output.dtype === 'float32' ? [{ output, layer: `${module} (${node.operation.name})` }] : [];
  });
}

async function worstRows({ program, run }: Examined, batches: readonly MicroBatch[], step: number): Promise<number[]> {
  const byRow = batchInputsOf(program).every(({ shape }) => shape[0] === 'batch');
  // Packed, a text is no row that can be taken out: then all of them are named.
  if (!byRow) return [...Array(batches.reduce((sum, { rows }) => sum + rows, 0)).keys()];
  const losses: number[] = [];
  for (const [part, batch] of batches.entries()) {
    for (let row = 0; row < batch.rows; row++) {
      const { sum, count } = await run(rowOf(batch, row), { step, part });
      losses.push(sum / count);
    }
  }
  const numbers = [...losses.keys()];
  const broken = numbers.filter((row) => !Number.isFinite(losses[row]));
  if (broken.length > 0) return broken;
  return numbers.length === 0 ? [] : [numbers.reduce((worst, row) => (losses[row]! > losses[worst]! ? row : worst))];
}

/** One row of a batch. */
function rowOf({ feeds }: MicroBatch, row: number): MicroBatch {
  const cut = ({ dtype, shape, data }: Value): Value => {
    const length = data.length / shape[0]!;
    return { dtype, shape: [1, ...shape.slice(1)], data: data.slice(row * length, (row + 1) * length) };
  };
  return { feeds: Object.fromEntries(Object.entries(feeds).map(([k, v]) => [k, cut(v)])), rows: 1, tokens: 0 };
}
