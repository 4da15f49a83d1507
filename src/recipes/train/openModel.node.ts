/** The model of a run in memory: two programs over the same weights, one that learns and one that is measured. */
import { availableParallelism } from 'node:os';
import { openRuntime } from '../../engine/runtime/openRuntime.node.ts';
import { openCheckpoint } from '../../files/modelFolder.node.ts';
import { openScorer, type Scorer } from '../../inference/index.ts';
import type { ModelSource } from '../../inference/modelFolder.node.ts';
import { full } from '../../methods/full.ts';
import type { Method } from '../../models/nn/index.ts';
import { buildProgram } from '../../models/nn/index.ts';
import { classify } from '../../tasks/index.ts';
import {
  allocateParameters,
  loadParameters,
  openTrainer,
  type ParameterMemory,
  type Trainer,
  valuesOf,
} from '../../training/index.ts';
import type { Recipe } from '../schema/index.ts';

export interface TrainingModel extends AsyncDisposable {
  readonly trainer: Trainer;
  readonly scorer: Scorer;
  readonly memory: ParameterMemory;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  readonly fresh: readonly string[];
  readonly totalParameters: number;
  readonly trainableParameters: number;
  readonly runtime: string;
  readonly threads: number;
}

const methods: Readonly<Record<Recipe['method']['name'], () => Method>> = { full };

export const threadsOf = ({ threads }: Pick<Recipe, 'threads'>): number =>
  threads === 'auto' ? availableParallelism() : threads;

export async function openModel(
  recipe: Recipe,
  source: ModelSource,
  labels: readonly string[],
): Promise<TrainingModel> {
  const { training } = recipe;
  const chosen = [methods[recipe.method.name]()];
  const settings = { numLabels: labels.length, labelSmoothing: training.label_smoothing_factor };
  const dropoutRate = (configured: number): number => (training.dropout === 'auto' ? configured : training.dropout);
  const learning = buildProgram(classify(source.description, settings), { methods: chosen, dropoutRate });
  const measured = buildProgram(classify(source.description, { numLabels: labels.length }), { methods: chosen });
  const parameters = learning.parameters.map(({ parameter }) => parameter);
  const memory = allocateParameters(parameters);
  const fresh = await load(memory, { parameters, source, labels, seed: training.seed });
  const { open, name, version } = await openRuntime();
  const threads = threadsOf(recipe);
  const optimizer = {
    beta1: training.adam_beta1,
    beta2: training.adam_beta2,
    epsilon: training.adam_epsilon,
    weightDecay: training.weight_decay,
  };
  const trainer = await openTrainer(learning, { memory, open, threads, seed: training.seed, optimizer });
  const scorer = await openScorer(measured, { memory, open, threads });
  const count = (all: typeof parameters): number =>
    all.reduce((sum, { name }) => sum + valuesOf(memory, name).length, 0);
  return {
    trainer,
    scorer,
    memory,
    shapes: new Map(parameters.map((parameter) => [parameter.name, parameter.shape])),
    fresh,
    totalParameters: count(parameters),
    trainableParameters: count(parameters.filter(({ trainable }) => trainable)),
    runtime: `${name} ${version}`,
    threads,
    async [Symbol.asyncDispose]() {
      await trainer[Symbol.asyncDispose]();
      await scorer[Symbol.asyncDispose]();
    },
  };
}

interface Load {
  readonly parameters: Parameters<typeof loadParameters>[1];
  readonly source: ModelSource;
  readonly labels: readonly string[];
  readonly seed: number;
}

/** Names of what started fresh. A head that answers with exactly these labels is kept, any other is replaced. */
async function load(memory: ParameterMemory, { parameters, source, labels, seed }: Load): Promise<readonly string[]> {
  const { folder, description } = source;
  const newHead = labels.length !== source.labels?.length || labels.some((label, i) => label !== source.labels![i]);
  const checkpoint = await openCheckpoint(folder);
  try {
    const loading = { checkpoint, architecture: description.architecture, seed, where: folder, newHead };
    return (await loadParameters(memory, parameters, loading)).fresh;
  } finally {
    await checkpoint.close();
  }
}
