/** The model of a run in memory: two programs over the same weights, one that learns and one that is measured. */
import { availableParallelism } from 'node:os';
import { openRuntime } from '../../engine/runtime/openRuntime.node.ts';
import { AttuneError } from '../../errors/index.ts';
import { openCheckpoint, ownFormsOf } from '../../files/modelFolder.node.ts';
import type { Scorer } from '../../inference/index.ts';
import { exportedTensors, type FloatTensor } from '../../inference/merged.ts';
import type { ModelSource } from '../../inference/modelFolder.node.ts';
import { attachMethod, basePrecisionOf, type MethodSettings, settledMethod } from '../../methods/index.ts';
import { besideHead, savingNew, trainsNew } from '../../methods/newModules.ts';
import { parameterGroups } from '../../methods/parameterGroups.ts';
import { buildProgram, type Parameter, queryPartsFor } from '../../models/nn/index.ts';
import {
  allocateParameters,
  loadParameters,
  openTrainer,
  type ParameterMemory,
  type Trainer,
} from '../../training/index.ts';
import type { Recipe } from '../schema/index.ts';
import type { Start } from '../start.node.ts';
import { type Divided, divide, type FrozenPart, openFrozenPart, type Programs } from './frozenPart.node.ts';
import { keptForms } from './keptForms.ts';
import { lackingModules } from './lackingModules.node.ts';
import type { StepPlan } from './plan.ts';
import type { PreparedData } from './prepareData.node.ts';
import type { RunTask } from './tasks/index.ts';

export interface TrainingModel extends AsyncDisposable {
  /** The recipe's, with what it leaves to the length of the run. */
  readonly method: MethodSettings;
  readonly trainer: Trainer;
  readonly scorer: Scorer;
  /** Where the frozen layers' outputs are kept: then the trainer reads these. */
  readonly frozen: FrozenPart | undefined;
  /** What its user should know of it before the first step. */
  readonly notes: readonly string[];
  readonly memory: ParameterMemory;
  readonly parameters: readonly Parameter[];
  /** Every weight is trained. */
  readonly isWhole: boolean;
  readonly fresh: readonly string[];
  /** Modules that are trained and saved as the head's are, though they are none of its own. */
  readonly besideHead: readonly string[];
  /** Reads what the run started from into the memory again. */
  readonly reload: () => Promise<void>;
  /** What other programs read in place of what is trained, where that is something else. */
  readonly exported: () => Promise<FloatTensor[] | undefined>;
  readonly totalParameters: number;
  readonly trainableParameters: number;
  readonly runtime: string;
  readonly threads: number;
}

const factsOf = ({ description, tokenizer }: ModelSource) => ({
  ...description.architecture,
  tokenIds: (text: string): readonly number[] => tokenizer.encode(text, { maxLength: LONGEST_START }).inputIds,
});

/** Of a text that vectors start from. */
const LONGEST_START = 512;

const threadsOf = ({ threads }: Pick<Recipe, 'threads'>): number =>
  threads === 'auto' ? availableParallelism() : threads;

interface Known {
  readonly task: RunTask;
  readonly data: PreparedData;
  readonly plan: StepPlan;
}

interface Chosen extends Known {
  readonly method: MethodSettings;
  readonly lacking: readonly string[];
}

async function programsOf(recipe: Recipe, { source }: Start, chosen: Chosen): Promise<Programs> {
  const { training } = recipe;
  const { task, data, plan, method, lacking } = chosen;
  const { parameter_groups: groups } = training;
  const methods = [
    attachMethod(method, { ...factsOf(source), run: plan }),
    trainsNew(lacking),
    ...(groups ? [parameterGroups(groups, training.learning_rate)] : []),
  ];
  const dropoutRate = (configured: number): number => (training.dropout === 'auto' ? configured : training.dropout);
  const ownForms = await ownFormsOf(source.folder);
  const options = {
    methods,
    basePrecision: basePrecisionOf(method),
    ownForms,
    queryParts: queryPartsFor(data.maxLength, { inOrder: source.description.architecture.languageModel !== undefined }),
  };
  const learning = buildProgram(task.forward(source.description, data, training), {
    ...options,
    batch: recipe.data.packing ? task.inputs.packed() : task.inputs.plain(),
    precision: training.precision,
    dropoutRate,
  });
  const measured = buildProgram(task.forward(source.description, data), { ...options, batch: task.inputs.plain() });
  return { learning, measured };
}

export async function openModel(recipe: Recipe, start: Start, known: Known): Promise<TrainingModel> {
  const { source } = start;
  const { training } = recipe;
  const { task, data, plan } = known;
  const lacking = await lackingModules(source, known);
  const method = savingNew(settledMethod(recipe.method, plan), lacking);
  const programs = await programsOf(recipe, start, { ...known, method, lacking });
  const { learning, measured } = programs;
  const kept = keptForms(learning, basePrecisionOf(method));
  const parameters = learning.parameters.map(({ parameter }) => parameter);
  const memory = allocateParameters(parameters);
  const labels = task.hasLabels ? data.labels : undefined;
  const loading = { parameters, start, labels, seed: training.seed };
  const fresh = await load(memory, loading);
  const { open, name, version } = await openRuntime();
  const threads = threadsOf(recipe);
  const optimizer = {
    beta1: training.adam_beta1,
    beta2: training.adam_beta2,
    epsilon: training.adam_epsilon,
    weightDecay: training.weight_decay,
  };
  const divided: Divided = task.keepsFeatures ? divide(recipe, programs, data) : { learning };
  const { learning: learned, cuts, refused } = divided;
  const { padTokenId } = source.tokenizer;
  const frozen = cuts && (await openFrozenPart(cuts, { recipe, data, memory, open, threads, padTokenId }));
  const { seed } = training;
  const recompute = task.recompute(recipe);
  const trainer = await openTrainer(learned, { memory, open, threads, seed, optimizer, recompute });
  const scorer = await task.openScorer(measured, { memory, open, threads });
  return {
    method,
    trainer,
    scorer,
    frozen,
    notes: [kept, refused].filter((note) => note !== undefined),
    memory,
    parameters,
    isWhole: recipe.method.name === 'full',
    fresh,
    besideHead: besideHead(method, lacking),
    exported: () => exportedTensors(measured, { memory, open, threads }),
    async reload() {
      await load(memory, loading);
    },
    totalParameters: parameterCount(parameters),
    trainableParameters: parameterCount(parameters.filter(({ trainable }) => trainable)),
    runtime: `${name} ${version}`,
    threads,
    async [Symbol.asyncDispose]() {
      await trainer[Symbol.asyncDispose]();
      await scorer[Symbol.asyncDispose]();
      await frozen?.[Symbol.asyncDispose]();
    },
  };
}

/** Numbers in all of them. */
export const parameterCount = (parameters: readonly Parameter[]): number =>
  parameters.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);

interface Load {
  readonly parameters: readonly Parameter[];
  readonly start: Start;
  /** Undefined where the head is for no labels. */
  readonly labels: readonly string[] | undefined;
  readonly seed: number;
}

/** Names of the model's own weights that started fresh. A head that answers with exactly these labels is kept, any other is replaced. */
async function load(memory: ParameterMemory, { parameters, start, labels, seed }: Load): Promise<readonly string[]> {
  const { source, initial } = start;
  const { folder, description } = source;
  const known = initial?.manifest?.labels ?? source.labels;
  const newHead =
    labels !== undefined && (labels.length !== known?.length || labels.some((label, i) => label !== known[i]));
  const base = { ...(await openCheckpoint(folder)), where: folder };
  const adapter = initial && { ...(await initial.open()), where: initial.folder };
  try {
    const { architecture } = description;
    const { fresh } = await loadParameters(memory, parameters, { base, adapter, architecture, seed, newHead });
    refuseFrozenNoise(parameters, fresh);
    const added = new Set(parameters.filter((parameter) => parameter.added).map(({ name }) => name));
    return fresh.filter((name) => !added.has(name));
  } finally {
    await base.close();
    await adapter?.close();
  }
}

/** A head of random numbers that is never trained would only guess. */
function refuseFrozenNoise(parameters: readonly Parameter[], fresh: readonly string[]): void {
  const stuck = parameters.find(({ name, head, trainable }) => head && !trainable && fresh.includes(name));
  if (!stuck) return;
  throw new AttuneError({
    code: 'CONFIG_INVALID',
    where: 'method.trainable.head',
    problem: `${stuck.name} is new, so it has to be trained, but it is frozen`,
    fix: 'set head: true, or start from a model whose head has these labels',
  });
}
