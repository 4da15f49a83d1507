/** Loss and gradients of a batch, by one session over one graph. */
import { gradients } from '../engine/autodiff/index.ts';
import { evaluateShape, type Sizes, sizeOf, type Tensor } from '../engine/graph/index.ts';
import { add, mul } from '../engine/ops/index.ts';
import { type OpenSession, type Session, sizesOf, type Value, type Values } from '../engine/runtime/index.ts';
import { batchInputsOf, type Parameter, type Program, trainedOf } from '../models/nn/index.ts';
import type { Loss } from '../tasks/index.ts';
import type { MaskSource, Place } from './masks.ts';
import { type ParameterMemory, packedValues } from './parameterMemory.ts';
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

/** `cheap`: all but products with wide matrices and attention. */
export type Recompute = 'none' | 'cheap' | 'all';

export interface GradientSession extends AsyncDisposable {
  /** Of the embeddings whose gradients come in rows. */
  readonly tables: Tables;
  /** Writes gradients to their memory; those in rows are added to the region. */
  run(batch: MicroBatch, place: Place, region: GradientRegion): Promise<StepLoss>;
}

/** What batches are run with, whatever is trained. */
export interface Fed {
  readonly program: Program<{ loss: Loss }>;
  /** All parameters as feeds. */
  readonly weights: Values;
  readonly memory: ParameterMemory;
  readonly masks: MaskSource;
}

export interface GradientOptions extends Differentiating {
  readonly open: OpenSession;
  readonly threads: number;
}

/** Nothing is differentiated below what rests, whose gradients are zero. */
export async function openGradients(fed: Fed, options: GradientOptions): Promise<GradientSession> {
  const { program, memory } = fed;
  const { open, threads, recompute = 'none', isOpen = () => true } = options;
  const { outputs, inRows, rows } = splitGradients(gradientOutputs(program, options));
  // Who computes values again to save memory packs no weights a second time: steps take 3 to 5 % longer (docs/log.md).
  const unpacked = recompute !== 'none';
  const session = await open(outputs, { threads, constants: packedValues(memory), unpacked });
  const tables = openTables(
    memory,
    inRows.map(({ parameter }) => parameter),
  );
  const resting = [...memory.trained.values()].filter(({ parameter }) => !isOpen(parameter));
  for (const { arrays } of resting) for (const region of ['gradient', 'total'] as const) arrays[region].fill(0);
  return {
    tables,
    run: batchRunner(session, { ...fed, tables, inRows, rows }),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

const gradientName = (parameter: string): string => `gradient.${parameter}`;

interface Differentiating {
  /** Values of the model's blocks that are computed again for the backward pass instead of being kept; left out: none. */
  readonly recompute?: Recompute | undefined;
  /** What has a gradient; left out: every parameter that is trained. */
  readonly isOpen?: (parameter: Parameter) => boolean;
}

/**
 * Loss and one gradient for every trained parameter, under the names that the session gives them. A penalty enters as
 * often as something is scored: divided by the count of the whole step it is there once, whatever the batches were.
 */
export function gradientOutputs(
  program: Program<{ loss: Loss }>,
  { recompute = 'none', isOpen = () => true }: Differentiating = {},
): Record<string, Tensor> {
  const { penalty, outputs } = program;
  const { sum, count } = outputs.loss;
  const trained = trainedOf(program).filter(({ parameter }) => isOpen(parameter));
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

interface Running extends Fed {
  readonly tables: Tables;
  readonly inRows: readonly RowGradient[];
  /** Each tensor of rows once, in the order of their names. */
  readonly rows: readonly Tensor[];
}

function batchRunner(session: Session, { program, weights, memory, masks, tables, inRows, rows }: Running) {
  const inputs = batchInputsOf(program);
  const scalar = (): Value & { data: Float32Array } => ({ dtype: 'float32', shape: [], data: new Float32Array(1) });
  const scalars = { loss_sum: scalar(), loss_count: scalar(), ...(program.penalty && { penalty: scalar() }) };
  const made = new Set(session.outputs);
  const dense = [...memory.trained.values()].filter(({ parameter: { name } }) => made.has(gradientName(name)));
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
