/** The two halves of a step: gradients of a summed loss, and the update that writes weights in place. */
import { gradients } from '../engine/autodiff/index.ts';
import type { Tensor } from '../engine/graph/index.ts';
import type { OpenSession, Session, Value, Values } from '../engine/runtime/index.ts';
import { type Program, trainedOf } from '../models/nn/index.ts';
import type { Loss } from '../tasks/index.ts';
import { type MaskSource, openMasks, type Place } from './masks.ts';
import { type AdamWSettings, accumulateGradients, gradientNorm, updateParameters } from './optimizer.ts';
import { type ParameterMemory, valuesOf } from './parameterMemory.ts';

export interface MicroBatch {
  /** Inputs of the graph: ids, masks, labels. */
  readonly feeds: Values;
  readonly rows: number;
  /** Tokens that are not padding. */
  readonly tokens: number;
}

export interface StepLoss {
  readonly sum: number;
  readonly count: number;
}

export interface Trainer extends AsyncDisposable {
  /** Summed loss and gradients over the batches of one optimizer step. Weights stay as they are. */
  gradients(batches: readonly MicroBatch[], step: number): Promise<StepLoss>;
  /** ‖g‖ of the last gradients, divided by the count. */
  gradientNorm(count: number): number;
  /** One AdamW update with the last gradients. */
  update(rates: { step: number; learningRate: number; gradientScale: number }): void;
}

export interface TrainerOptions {
  readonly memory: ParameterMemory;
  readonly open: OpenSession;
  readonly threads: number;
  readonly seed: number;
  readonly optimizer: AdamWSettings;
}

export async function openTrainer(program: Program<{ loss: Loss }>, options: TrainerOptions): Promise<Trainer> {
  const { memory, open, threads, seed, optimizer } = options;
  const session = await open(gradientOutputs(program), { threads });
  const run = batchRunner(session, { program, memory, masks: openMasks(program.masks, seed) });
  let from: 'gradient' | 'total' = 'gradient';
  return {
    async gradients(batches, step) {
      from = batches.length > 1 ? 'total' : 'gradient';
      const total = { sum: 0, count: 0 };
      for (const [part, batch] of batches.entries()) {
        const { sum, count } = await run(batch, { step, part });
        if (from === 'total') accumulateGradients(memory, part === 0);
        total.sum += sum;
        total.count += count;
      }
      return total;
    },
    gradientNorm: (count) => gradientNorm(memory, from) / count,
    update: (rates) => updateParameters(memory, optimizer, { ...rates, from }),
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

const gradientName = (parameter: string): string => `gradient.${parameter}`;

/** Loss and one gradient for every trained parameter, under the names that the session gives them. */
export function gradientOutputs(program: Program<{ loss: Loss }>): Record<string, Tensor> {
  const { loss } = program.outputs;
  const trained = trainedOf(program);
  const found = gradients(
    loss.sum,
    trained.map(({ tensor }) => tensor),
  );
  const named = trained.map(({ parameter }, i) => [gradientName(parameter.name), found[i]!] as const);
  return { loss_sum: loss.sum, loss_count: loss.count, ...Object.fromEntries(named) };
}

interface Running {
  readonly program: Program<unknown>;
  readonly memory: ParameterMemory;
  readonly masks: MaskSource;
}

function batchRunner(session: Session, { program, memory, masks }: Running) {
  const weights = parameterValues(program, memory);
  const scalars = {
    loss_sum: { dtype: 'float32', shape: [], data: new Float32Array(1) },
    loss_count: { dtype: 'float32', shape: [], data: new Float32Array(1) },
  } as const satisfies Values;
  const places = [...memory.trained.values()].map(({ parameter: { name, shape }, arrays }): [string, Value] => [
    gradientName(name),
    { dtype: 'float32', shape, data: arrays.gradient },
  ]);
  const into = { ...scalars, ...Object.fromEntries(places) };
  return async ({ feeds }: MicroBatch, place: Place): Promise<StepLoss> => {
    const [batch, tokens] = feeds.input_ids!.shape as [number, number];
    await session.run({ ...weights, ...feeds, ...masks.draw({ batch, tokens }, place) }, into);
    return { sum: scalars.loss_sum.data[0]!, count: scalars.loss_count.data[0]! };
  };
}

/** Every parameter as a feed over its own memory. */
export const parameterValues = ({ parameters }: Program<unknown>, memory: ParameterMemory): Values =>
  Object.fromEntries(
    parameters.map(({ parameter: { name, shape } }): [string, Value] => [
      name,
      { dtype: 'float32', shape, data: valuesOf(memory, name) },
    ]),
  );
