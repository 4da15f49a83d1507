/** One run of SST-2 with its evaluation: the same rows, batch, dropout, optimizer, schedule and threads on both sides. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { Figures } from '../figures.ts';
import { type AttuneRun, modelOptions, type Recipe, runReference, trainAttune } from '../sides.ts';
import type { Case, Place, Side, Workload } from '../workload.ts';

export interface Run {
  readonly method: object;
  /** What the reference calls it. */
  readonly reference: 'full' | 'lora' | 'head';
  readonly learningRate: number;
  readonly epochs?: number;
  readonly training?: object;
}

const lora = { name: 'lora', r: 8, lora_alpha: 16, target_modules: ['query', 'value'] };
const full = { name: 'full' };

const runs: Readonly<Record<string, Run>> = {
  'sst2-lora': { method: lora, reference: 'lora', learningRate: 5e-4 },
  'sst2-lora-int8': { method: { ...lora, base_precision: 'int8' }, reference: 'lora', learningRate: 5e-4 },
  'sst2-full': { method: full, reference: 'full', learningRate: 5e-5 },
  'sst2-full-int8': { method: full, reference: 'full', learningRate: 5e-5, training: { precision: 'int8' } },
  'sst2-head': { method: { name: 'freeze', trainable: 'head' }, reference: 'head', learningRate: 1e-3, epochs: 3 },
};

const abouts: Readonly<Record<string, string>> = {
  'sst2-lora': 'LoRA, r 8, alpha 16, on query and value; learning rate 5e-4; 1 epoch.',
  'sst2-lora-int8': 'The same with `method.base_precision: int8`, against the same reference.',
  'sst2-full': 'Every parameter; learning rate 5e-5; 1 epoch.',
  'sst2-full-int8': 'The same with `training.precision: int8`, against the same reference.',
  'sst2-head': 'The head alone (`freeze`); learning rate 1e-3; 3 epochs.',
};

export const sst2Workloads: Readonly<Record<string, Workload>> = Object.fromEntries(
  Object.entries(runs).map(([name, run]): [string, Workload] => [
    name,
    {
      about: abouts[name]!,
      primary: run.epochs ? 'later_examples_per_second' : 'examples_per_second',
      cases: (place) => [sst2Case(run, place)],
    },
  ]),
);

function sst2Case(run: Run, place: Place): Case {
  const files = sst2Files(place);
  const ours = { name: 'Attune', measure: () => attune(run, files, place) };
  const side = (name: string, precision: string, grouped: boolean): Side => ({
    name,
    measure: () => reference(run, { files, precision, grouped }, place),
  });
  const asItComes = place.options.defaults
    ? [side('PyTorch fp32', 'fp32', false), side('PyTorch bf16', 'bf16', false)]
    : [];
  return { name: '', sides: [ours, side('PyTorch bf16, grouped by length', 'bf16', true), ...asItComes] };
}

interface Files {
  readonly train: string;
  readonly validation: string;
  readonly rows: number;
}

/** With `--rows` the first rows only, for both sides from the same file. */
export function sst2Files({ options, folder }: Place): Files {
  const [source, validation] = ['train', 'validation'].map((name) => resolve(options.data, 'sst2', `${name}.jsonl`));
  const lines = readFileSync(source!, 'utf8').trim().split('\n');
  const kept = options.rows > 0 ? lines.slice(0, options.rows) : lines;
  const train = join(folder, 'train.jsonl');
  writeFileSync(train, `${kept.join('\n')}\n`);
  return { train, validation: validation!, rows: kept.length };
}

export function sst2Recipe({ method, learningRate, epochs = 1, training }: Run, { train, validation }: Files): Recipe {
  return {
    data: { train, validation, max_length: 128 },
    method,
    training: {
      num_train_epochs: epochs,
      learning_rate: learningRate,
      weight_decay: 0.01,
      train_sampling_strategy: 'group_by_length',
      ...training,
    },
  };
}

async function attune(run: Run, files: Files, place: Place): Promise<Figures> {
  const recipe = sst2Recipe(run, files);
  // A line of the log for each epoch.
  const training = { ...recipe.training, logging_steps: Math.ceil(files.rows / place.options.batch) };
  const finished = await trainAttune({ ...recipe, training }, place);
  const { timing, metrics } = finished.object as { timing: Timing; metrics: { accuracy: number } };
  return {
    examples_per_second: timing.examples_per_second,
    ...(run.epochs && { later_examples_per_second: laterRate(finished, timing) }),
    accuracy: metrics.accuracy,
    peak_bytes: finished.peakBytes,
    whole_seconds: finished.wallSeconds,
  };
}

interface Timing {
  readonly examples_per_second: number;
  readonly tokens_per_second: number;
}

/** Every epoch has the same examples and tokens, so that rates of tokens and of examples go together. */
function laterRate({ log }: AttuneRun, timing: Timing): number {
  const rates = log.flatMap((line) => line.tokens_per_second ?? []).slice(1);
  const secondsOfToken = rates.reduce((sum, rate) => sum + 1 / rate, 0) / rates.length;
  return timing.examples_per_second / timing.tokens_per_second / secondsOfToken;
}

interface Setting {
  readonly files: Files;
  readonly precision: string;
  readonly grouped: boolean;
}

async function reference(run: Run, setting: Setting, place: Place): Promise<Figures> {
  const finished = await runReference('epoch.py', referenceOptions(run, setting, place), place);
  return {
    ...(finished.object as Figures),
    peak_bytes: finished.peakBytes,
    whole_seconds: finished.wallSeconds,
  };
}

export const referenceOptions = (
  { reference: method, learningRate, epochs = 1 }: Run,
  { files: { train, validation }, precision, grouped }: Setting,
  place: Place,
) => ({
  ...modelOptions(place),
  ...{ train, validation, method, epochs, precision },
  batch: place.options.batch,
  seed: place.options.seed,
  'learning-rate': learningRate,
  'group-by-length': grouped,
});
