/** The two halves of a step: gradients of a summed loss, and the update that writes weights in place. */
import { gradients } from '../engine/autodiff/index.ts';
import { evaluateShape, type Sizes, sizeOf, type Tensor } from '../engine/graph/index.ts';
import { add, mul } from '../engine/ops/index.ts';
import { type OpenSession, type Session, sizesOf, type Value, type Values } from '../engine/runtime/index.ts';
import { batchInputsOf, type Program, trainedOf } from '../models/nn/index.ts';
import type { Loss } from '../tasks/index.ts';
import { finishUpdate, makeRoom } from './afterUpdate.ts';
import { examine, type Finding, type Looking } from './guards/examine.ts';
import { idleParameters } from './guards/idle.ts';
import type { NamedCheckpoint } from './loadParameters.ts';
import { type MaskSource, openMasks, type Place } from './masks.ts';
import { type AdamWSettings, accumulateGradients, gradientNorm, type Update, updateParameters } from './optimizer.ts';
import { type ParameterMemory, parameterValues } from './parameterMemory.ts';
import { restoreState, type StateTensor, stateOf } from './state.ts';
import { type GradientRegion, openTables, type RowGradient, rowGradient, type Tables } from './tables.ts';

export interface MicroBatch {
  /** Inputs of the graph: ids, masks, labels. */
  readonly feeds: Values;
  readonly rows: number;
  /** Tokens that are not padding. */
  readonly tokens: number;
  /** Numbers of the rows, in the order of the feeds. */
  readonly examples?: readonly number[];
}

export interface StepLoss {
  readonly sum: number;
  readonly count: number;
  /** What the method adds to the mean; left out where it adds nothing. */
  readonly penalty?: number | undefined;
}

interface Rates extends Omit<Update, 'from'> {
  /** Number of the step in the run's plan. */
  readonly step: number;
  /** Updates with this one, where steps were left out; left out: as many as steps. */
  readonly updates?: number;
}

export interface Trainer extends AsyncDisposable {
  /** Summed loss and gradients over the batches of one optimizer step. Weights stay as they are. */
  gradients(batches: readonly MicroBatch[], step: number): Promise<StepLoss>;
  /** ‖g‖ of the last gradients, divided by the count. */
  gradientNorm(count: number): number;
  /** One AdamW update with the last gradients, and what the method does after it. */
  update(rates: Rates): void;
  /** Where the last gradients went wrong. Overwrites them. */
  examine(batches: readonly MicroBatch[], at: { step: number; looking: Looking }): Promise<Finding>;
  /** Trained tensors that the last gradients left out, where none is declared to be without; `moved`: see idle.ts. */
  idle(moved: boolean): string[];
  /** What the next step needs of the steps before it. The arrays are the live ones. */
  state(): readonly StateTensor[];
  /** Takes such a state back: the next step is the one that would have followed. */
  restore(saved: NamedCheckpoint): Promise<void>;
}

/** `cheap`: all but products with wide matrices and attention. */
export type Recompute = 'none' | 'cheap' | 'all';

export interface TrainerOptions {
  readonly memory: ParameterMemory;
  readonly open: OpenSession;
  readonly threads: number;
  readonly seed: number;
  readonly optimizer: AdamWSettings;
  /** Values of the model's blocks that are computed again for the backward pass instead of being kept; left out: none. */
  readonly recompute?: Recompute;
}

export async function openTrainer(program: Program<{ loss: Loss }>, options: TrainerOptions): Promise<Trainer> {
  const { memory, open, threads, seed, optimizer, recompute } = options;
  const { outputs, inRows, rows } = splitGradients(gradientOutputs(program, { recompute }));
  const session = await open(outputs, { threads, constants: packedValues(memory) });
  const tables = openTables(
    memory,
    inRows.map(({ parameter }) => parameter),
  );
  const masks = openMasks(program.masks, seed);
  const weights = parameterValues(program, memory);
  makeRoom(program, memory);
  const run = batchRunner(session, { program, weights, memory, masks, tables, inRows, rows });
  let from: GradientRegion = 'gradient';
  return {
    async gradients(batches, step) {
      from = batches.length > 1 ? 'total' : 'gradient';
      tables.clear(from);
      let total: StepLoss = { sum: 0, count: 0 };
      for (const [part, batch] of batches.entries()) {
        const { sum, count, penalty } = await run(batch, { step, part }, from);
        if (from === 'total') accumulateGradients(memory, tables, part === 0);
        total = { sum: total.sum + sum, count: total.count + count, penalty };
      }
      return total;
    },
    gradientNorm: (count) => gradientNorm(memory, tables, from) / count,
    update({ step, updates = step, ...rates }) {
      updateParameters(memory, tables, optimizer, { ...rates, step: updates, from });
      finishUpdate(program, memory, { ...rates, step, from });
    },
    examine(batches, at) {
      const again = (batch: MicroBatch, place: Place): Promise<StepLoss> => run(batch, place, from);
      return examine({ program, memory, masks, open, threads, region: from, weights, run: again }, batches, at);
    },
    idle: (moved) => idleParameters(memory, { region: from, moved }),
    state: () => stateOf(memory),
    restore: (saved) => restoreState(memory, saved),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

/** Frozen weights in another form: they never change. */
const packedValues = ({ packed }: ParameterMemory): Values => Object.assign({}, ...packed.values());

const gradientName = (parameter: string): string => `gradient.${parameter}`;

/**
 * Loss and one gradient for every trained parameter, under the names that the session gives them. A penalty enters as
 * often as something is scored: divided by the count of the whole step it is there once, whatever the batches were.
 */
export function gradientOutputs(
  program: Program<{ loss: Loss }>,
  { recompute = 'none' }: Pick<TrainerOptions, 'recompute'> = {},
): Record<string, Tensor> {
  const { penalty, outputs } = program;
  const { sum, count } = outputs.loss;
  const trained = trainedOf(program);
  const found = gradients(
    penalty ? add(sum, mul(count, penalty)) : sum,
    trained.map(({ tensor }) => tensor),
    { boundaries: recompute === 'none' ? [] : program.boundaries, keepsCostly: recompute === 'cheap' },
  );
  const named = trained.map(({ parameter }, i) => [gradientName(parameter.name), found[i]!] as const);
  return { loss_sum: sum, loss_count: count, ...(penalty && { penalty }), ...Object.fromEntries(named) };
}

const rowsName = (i: number): string => `gradient_rows.${i}`;

/** Gradients that are rows of a table leave the graph as rows, each of them once. */
function splitGradients(outputs: Readonly<Record<string, Tensor>>) {
  const inRows: RowGradient[] = [];
  const others = Object.entries(outputs).filter(([name, gradient]) => {
    const found = rowGradient(name.slice(gradientName('').length), gradient);
    if (found) inRows.push(found);
    return !found;
  });
  const rows = [...new Set(inRows.map((found) => found.rows))];
  const named = rows.map((tensor, i) => [rowsName(i), tensor] as const);
  // ONNX Runtime makes the last output first. Those of embeddings need the whole way back: after them no gradient of a
  // weight would be made until all that these read is there.
  return { outputs: { ...Object.fromEntries(named), ...Object.fromEntries(others) }, inRows, rows };
}

interface Running {
  readonly program: Program<{ loss: Loss }>;
  /** All parameters as feeds. */
  readonly weights: Values;
  readonly memory: ParameterMemory;
  readonly masks: MaskSource;
  readonly tables: Tables;
  readonly inRows: readonly RowGradient[];
  /** Each tensor of rows once, in the order of their names. */
  readonly rows: readonly Tensor[];
}

function batchRunner(session: Session, { program, weights, memory, masks, tables, inRows, rows }: Running) {
  const inputs = batchInputsOf(program);
  const scalar = (): Value & { data: Float32Array } => ({ dtype: 'float32', shape: [], data: new Float32Array(1) });
  const scalars = { loss_sum: scalar(), loss_count: scalar(), ...(program.penalty && { penalty: scalar() }) };
  const dense = [...memory.trained.values()].filter(({ parameter: { name } }) => !tables.names.has(name));
  const places = dense.map(({ parameter: { name, shape }, arrays }): [string, Value] => [
    gradientName(name),
    { dtype: 'float32', shape, data: arrays.gradient },
  ]);
  const fixed = { ...scalars, ...Object.fromEntries(places) };
  const placeRows = rowPlaces(rows);
  return async ({ feeds }: MicroBatch, place: Place, region: GradientRegion): Promise<StepLoss> => {
    const sizes = sizesOf(inputs, feeds);
    const placed = placeRows(sizes);
    await session.run({ ...weights, ...feeds, ...masks.draw(sizes, place) }, { ...fixed, ...placed.into });
    for (const { parameter, rows: tensor, ids } of inRows) {
      tables.add(region, parameter, placed.of(tensor), feeds[ids]!.data as Int32Array);
    }
    const { loss_sum, loss_count, penalty } = scalars;
    return { sum: loss_sum.data[0]!, count: loss_count.data[0]!, penalty: penalty?.data[0] };
  };
}

/** Room for gradients in rows, which is used again for every batch. */
function rowPlaces(distinct: readonly Tensor[]) {
  const rooms = distinct.map(() => new Float32Array(0));
  return (sizes: Sizes) => {
    const data = distinct.map((tensor, i) => {
      const count = sizeOf(evaluateShape(tensor.shape, sizes));
      if (rooms[i]!.length < count) rooms[i] = new Float32Array(count);
      return rooms[i]!.subarray(0, count);
    });
    const room = (i: number): Value => ({ dtype: 'float32', shape: [data[i]!.length], data: data[i]! });
    const into = Object.fromEntries(distinct.map((_, i) => [rowsName(i), room(i)]));
    return { into, of: (tensor: Tensor): Float32Array => data[distinct.indexOf(tensor)]! };
  };
}
