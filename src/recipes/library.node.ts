/** What a program calls: the recipes, runs and answers of the command line, as values. */
import { availableParallelism } from 'node:os';
import type { Metrics } from '../evaluation/index.ts';
import type { Prediction, TextInput } from '../inference/classifier.node.ts';
import type { Combination } from '../methods/sums/combine.ts';
import type { RunRecord } from '../store/runs/index.ts';
import { type Loading, loading } from './manyAdapters/loading.ts';
import { parseRecipe, type RecipeInput } from './schema/index.ts';
import type { LanguageModel } from './speaking/loadedModel.node.ts';
import { type WritesNothing, writesNothing } from './speaking/otherKind.ts';
import type { Target } from './target.node.ts';
import { asTextInput } from './textInput.ts';
import type { OnTrainEvent } from './train/index.ts';

export interface CallOptions {
  /** Aborted: a run ends after the step under way, with the status `stopped`; everything else throws. */
  readonly signal?: AbortSignal;
}

export interface TrainCallOptions extends CallOptions {
  readonly onEvent?: OnTrainEvent;
  /** Goes on from the newest whole checkpoint in `output_dir`; starts where there is none. */
  readonly resume?: boolean;
  /** Resumes also where settings, training data or code changed, if the saved state still means the same. */
  readonly allowChanges?: boolean;
}

export interface Run {
  /** The run's folder: `load` opens it. */
  readonly outputDir: string;
  readonly status: 'succeeded' | 'stopped';
  /** Of `data.test` where it is given, else of the best evaluation; null where nothing was evaluated. */
  readonly metrics: Metrics | null;
  /** All of run.json. */
  readonly record: RunRecord;
}

/** Trains in a thread of its own. Throws an AttuneError on bad input, before a folder is made. */
export async function train(
  recipe: RecipeInput,
  { onEvent = () => {}, signal = new AbortController().signal, ...how }: TrainCallOptions = {},
): Promise<Run> {
  const { withStart } = await import('./startSettings.node.ts');
  const parsed = parseRecipe(await withStart(recipe, signal), '');
  const { trainInWorker } = await import('./train/index.ts');
  const record = await trainInWorker(parsed, { onEvent, signal, ...how });
  const { status, metrics } = record as RunRecord & { status: Run['status']; metrics: Run['metrics'] };
  return { outputDir: parsed.output_dir, status, metrics, record };
}

/** A trained classifier that answers until it is closed: `await using model = await load(folder)`. */
export interface Classifier extends AsyncDisposable, WritesNothing {
  readonly kind: 'classifier';
  readonly labels: readonly string[];
  predict(input: string | TextInput): Promise<Prediction>;
  predict(inputs: readonly (string | TextInput)[]): Promise<Prediction[]>;
  close(): Promise<void>;
}

/** `kind` says which it is. What the other can do may be called without asking, and throws. */
export type Model = Classifier | LanguageModel;

/**
 * Opens a run's folder, a model's folder, an adapter's folder, or a model by its name: `await load(run)`.
 * `await load(base).with('runs/a', 'runs/b')` opens a base once for many adapters.
 */
export function load(target: string, { signal = new AbortController().signal }: CallOptions = {}): Loading<Model> {
  return loading(() => openAlone(target, signal), {
    async with(...adapters) {
      const { openAdapted } = await import('./manyAdapters/open.node.ts');
      return await openAdapted(target, adapters, signal);
    },
  });
}

async function openAlone(target: string, signal: AbortSignal): Promise<Model> {
  const { openTarget } = await import('./target.node.ts');
  const { isLanguageModel } = await import('./kindOf.node.ts');
  const opened = await openTarget(target, signal);
  if (!(await isLanguageModel(opened))) return await loadClassifier(opened, target);
  const { loadLanguageModel } = await import('./speaking/loadedModel.node.ts');
  return await loadLanguageModel(opened, target);
}

const BATCH = 64;

async function loadClassifier({ artifact, maxLength }: Target, where: string): Promise<Classifier> {
  const { openClassifier } = await import('../inference/classifier.node.ts');
  const opened = await openClassifier(artifact, { threads: availableParallelism(), maxLength, batchSize: BATCH });
  const close = (): Promise<void> => Promise.resolve(opened[Symbol.asyncDispose]());
  async function predict(inputs: string | TextInput | readonly (string | TextInput)[]) {
    const isList = Array.isArray(inputs);
    const list = (isList ? inputs : [inputs]) as readonly (string | TextInput)[];
    const answers = await opened.predict(list.map(asTextInput));
    return isList ? answers : answers[0]!;
  }
  const answering = { labels: opened.labels, predict: predict as Classifier['predict'] };
  return { kind: 'classifier', ...answering, ...writesNothing(where), close, [Symbol.asyncDispose]: close };
}

export interface EvaluateCallOptions extends CallOptions {
  /** Labelled files. Left out: a run's own test data, or else its validation data. */
  readonly data?: string | readonly string[];
}

export interface Evaluation {
  readonly metrics: Metrics;
  /** Rows that were measured. */
  readonly examples: number;
  /** How many of them were cut to the most tokens that the model reads at once. */
  readonly truncated: number;
  /** Rows of a language model that were left out: cut, they had nothing left to measure. */
  readonly dropped: number;
}

/** Metrics of a run or a model on labelled data. */
export async function evaluate(target: string, { data, signal }: EvaluateCallOptions = {}): Promise<Evaluation> {
  const { evaluateTarget } = await import('./evaluate.node.ts');
  const paths = typeof data === 'string' ? [data] : data;
  const options = { ...(paths && { data: paths }), signal: signal ?? new AbortController().signal };
  const { metrics, examples, truncated, dropped } = await evaluateTarget(target, options);
  return { metrics, examples, truncated, dropped };
}

export interface SumCallOptions extends CallOptions {
  /** Where the sum goes: empty, or not there yet. */
  readonly output: string;
  /** `cat` is exact, and ranks add up; `linear` as PEFT has it; `svd` gives the nearest of a rank. Left out: `cat`. */
  readonly combination?: Combination;
  /** Of `svd`; left out: the largest of the adapters'. */
  readonly rank?: number;
}

/** Adds LoRA adapters of one base up, by the weights that runs or folders are given; leaves an adapter. */
export async function combineAdapters(
  weights: Readonly<Record<string, number>>,
  { combination = 'cat', signal = new AbortController().signal, ...options }: SumCallOptions,
): Promise<{ path: string; combination: Combination; rank: number }> {
  const { sumAdapters } = await import('./sums/sumAdapters.node.ts');
  const sum = await sumAdapters(new Map(Object.entries(weights)), { combination, signal, ...options });
  return { path: sum.path, combination: sum.combination, rank: sum.rank };
}
