/** What run.json says: before the first step, at the end, and after a failure. */
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { arch, cpus, platform, totalmem } from 'node:os';
import { join } from 'node:path';
import { AttuneError } from '../../errors/index.ts';
import type { Metrics } from '../../evaluation/index.ts';
import type { RunRecord } from '../../store/runs/index.ts';
import { noGuardEvents } from './guarding/openGuarding.ts';
import { fixedThreshold } from './measure.ts';
import { epochsAfter } from './plan.ts';
import { type Identity, runId } from './resume/identity.node.ts';
import { savedFolder } from './saving/saved.node.ts';
import { chatNotes } from './saving/savedChat.ts';
import type { ChatFacts } from './tasks/chatFacts.ts';
import type { Running } from './train.node.ts';
import { attuneVersion } from './version.node.ts';

export const memoryBytes = (): number => process.memoryUsage.rss();
const KIBIBYTE = 1024;

type Known = Pick<Running, 'recipe' | 'local' | 'base' | 'data' | 'model' | 'plan'> & { readonly identity: Identity };

export const firstFields = ({ recipe, local, base, data, model, plan, identity }: Known): RunRecord => ({
  status: 'running',
  error: null,
  run_id: runId(identity),
  recipe,
  /** Where the recipe's relative paths start. */
  working_folder: process.cwd(),
  method: recipe.method.name,
  task: recipe.task,
  base_model: local.name,
  base_model_revision: local.revision ?? null,
  labels: data.labels,
  class_weights: data.classWeights
    ? Object.fromEntries(data.labels.map((label, i) => [label, data.classWeights![i]]))
    : null,
  threshold: fixedThreshold(recipe) ?? null,
  trainable_parameters: model.trainableParameters,
  total_parameters: model.totalParameters,
  total_steps: plan.totalSteps,
  rows: {
    train: data.train.rows.length,
    validation: data.validation?.rows.length ?? 0,
    test: data.test?.rows.length ?? 0,
    truncated: data.train.truncated + (data.validation?.truncated ?? 0) + (data.test?.truncated ?? 0),
    dropped: data.train.dropped + (data.validation?.dropped ?? 0) + (data.test?.dropped ?? 0),
    leaked: data.leaked,
  },
  chat: data.chat ? chatFields(data.chat) : null,
  data_sha256: data.files,
  base_sha256: base.sha256,
  identity,
  resumed_at_steps: [],
  versions: { attune: attuneVersion(), node: process.version, runtime: model.runtime },
  machine: {
    platform: `${platform()} ${arch()}`,
    processor: cpus()[0]?.model ?? 'unknown',
    threads: model.threads,
    memory_bytes: totalmem(),
  },
  started_at: new Date().toISOString(),
  // Known later, or never: a run that breaks off still has every field.
  base_loss: null,
  before: null,
  metrics: null,
  retention: null,
  best_step: null,
  ...(data.chat && { stop_rate: null, predictions: null }),
  guards: noGuardEvents,
  steps: 0,
  timing: null,
  peak_memory_bytes: null,
  artifact_bytes: null,
});

/** How conversations were written, and how much of them is learned. */
const chatFields = ({ template, endTokenIds, unknownEnds, lengths }: ChatFacts): object => ({
  template: template.where,
  ...chatNotes({ template, endTokenIds }),
  unknown_ends: unknownEnds,
  train_tokens: lengths.tokens,
  learned_tokens: lengths.labels,
  lost_tokens: lengths.lostLabels,
  lost_ends: lengths.lostEnds,
});

interface Ending {
  readonly metrics: Metrics | undefined;
  readonly threshold: number | undefined;
  readonly stopped: boolean;
}

export async function finalFields(running: Running, { metrics, threshold, stopped }: Ending): Promise<RunRecord> {
  const { best, step } = running.reached;
  return {
    status: stopped ? 'stopped' : 'succeeded',
    ...(await figures(running)),
    metrics: metrics ?? null,
    threshold: threshold ?? null,
    best_step: best?.step ?? step,
  };
}

/** How far the run came, what it took and what it left. */
async function figures({ seconds, reached, recipe, data, model, plan, folder }: Running): Promise<object> {
  const { step, best } = reached;
  const epochs = epochsAfter(plan.stepsOfEpoch, step);
  const tokens = data.train.rows.reduce((sum, { inputIds }) => sum + inputIds.length, 0);
  const cacheSeconds = model.frozen?.train.seconds ?? 0;
  // A run that is stopped before its first step has only filled the cache.
  const trainSeconds = Math.max(seconds.train, cacheSeconds);
  const perSecond = (count: number): number => (trainSeconds > 0 ? (count * epochs) / trainSeconds : 0);
  return {
    metrics: best?.metrics ?? null,
    best_step: best?.step ?? null,
    guards: reached.guards,
    steps: step,
    timing: {
      load_seconds: seconds.load,
      train_seconds: trainSeconds,
      // The part of train_seconds in which outputs of frozen layers were computed, once for each row.
      cache_seconds: cacheSeconds,
      eval_seconds: seconds.evaluate,
      examples_per_second: perSecond(data.train.rows.length),
      tokens_per_second: perSecond(tokens),
    },
    peak_memory_bytes: process.resourceUsage().maxRSS * KIBIBYTE,
    epochs: recipe.training.max_steps > 0 ? epochs : Math.min(epochs, recipe.training.num_train_epochs),
    artifact_bytes: await folderBytes(savedFolder({ recipe, folder })),
    finished_at: new Date().toISOString(),
  };
}

/** Null where a run left no model. */
async function folderBytes(path: string): Promise<number | null> {
  if (!existsSync(path)) return null;
  const sizes = await Promise.all((await readdir(path)).map(async (name) => (await stat(join(path, name))).size));
  return sizes.reduce((a, b) => a + b, 0);
}

/** A guard's stop is a status of its own; everything else is a failure. */
export async function failureFields(failure: unknown, running: Running): Promise<RunRecord> {
  const known = failure instanceof AttuneError;
  const stopped = running.options.signal.aborted || (known && failure.exitCode === 3);
  const error = known
    ? { code: failure.code, where: failure.where, problem: failure.problem, fix: failure.fix }
    : { code: 'INTERNAL', where: 'attune', problem: String(failure), fix: 'run again with --verbose and report it' };
  return { status: stopped ? 'stopped' : 'failed', error, ...(await figures(running)) };
}
