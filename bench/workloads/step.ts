/** Steps on synthetic rows without padding. The rate is that of the fastest step of a round. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Figures } from '../figures.ts';
import { modelOptions, runAttuneScript, runReference, trainAttune } from '../sides.ts';
import type { Case, Place, Side, Workload } from '../workload.ts';
import { flopsOfStep } from './flops.ts';

export interface Shape {
  readonly method: 'full' | 'lora';
  readonly rows: number;
  readonly tokens: number;
}

const UNTIMED_STEPS = 2;
const primary = 'tokens_per_second' as const;
const methods = { full: { name: 'full' }, lora: { name: 'lora', r: 8, lora_alpha: 16 } };

export const stepWorkloads: Readonly<Record<string, Workload>> = {
  'step-full': {
    about: 'A step of full fine-tuning on dense rows of 128 tokens.',
    primary,
    cases: (place) => [denseCase('full', place)],
  },
  'step-lora': {
    about: 'The same with LoRA, r 8, on query and value.',
    primary,
    cases: (place) => [denseCase('lora', place)],
  },
  tokens: {
    about: 'Full fine-tuning with the same number of tokens in every batch, in rows of other lengths.',
    primary,
    cases: (place) => [64, 128, 256, 512].map((tokens) => lengthCase(tokens, place)),
  },
};

function denseCase(method: Shape['method'], place: Place): Case {
  const shape = { method, rows: place.options.batch, tokens: 128 };
  const { name, sides } = stepCase(shape, ['bf16', 'fp32'], place);
  const peak = { name: 'MatMul of ONNX Runtime, fp32', measure: () => runAttuneScript('gemm.ts', place) };
  return { name, sides: [...sides, peak] };
}

function lengthCase(tokens: number, place: Place): Case {
  const rows = Math.max(1, Math.round((place.options.batch * 128) / tokens));
  return stepCase({ method: 'full', rows, tokens }, ['bf16'], place);
}

function stepCase(shape: Shape, precisions: readonly string[], place: Place): Case {
  const references = precisions.map(
    (precision): Side => ({ name: `PyTorch ${precision}`, measure: () => reference(shape, precision, place) }),
  );
  const ours = { name: 'Attune', measure: () => attune(shape, place) };
  return { name: `${shape.rows} × ${shape.tokens} tokens`, sides: [ours, ...references] };
}

async function attune(shape: Shape, place: Place): Promise<Figures> {
  const recipe = {
    data: { train: writeRows(shape, place), validation_split: 0, max_length: shape.tokens },
    method: methods[shape.method],
    training: {
      per_device_train_batch_size: shape.rows,
      max_steps: UNTIMED_STEPS + place.options.steps,
      logging_steps: 1,
    },
    evaluation: { eval_strategy: 'no' },
  };
  const { log, peakBytes } = await trainAttune(recipe, place);
  const rates = log.slice(UNTIMED_STEPS).map((line) => line.tokens_per_second!);
  const ms = ((shape.rows * shape.tokens) / Math.max(...rates)) * 1000;
  return {
    ...figuresOf(shape, { ms, lastLayer: 'read', peakBytes }, place),
    whole_gflops: flopsOfStep(shape, configOf(place), 'whole') / ms / 1e6,
  };
}

async function reference(shape: Shape, precision: string, place: Place): Promise<Figures> {
  const { method, rows: batch, tokens } = shape;
  const timed = { method, precision, batch, tokens, steps: place.options.steps, warmup: UNTIMED_STEPS };
  const { object, peakBytes } = await runReference('step.py', { ...modelOptions(place), ...timed }, place);
  return figuresOf(shape, { ms: object.min_ms as number, lastLayer: 'whole', peakBytes }, place);
}

const configOf = ({ options }: Place) => JSON.parse(readFileSync(join(options.model, 'config.json'), 'utf8'));

interface Measured {
  readonly ms: number;
  readonly lastLayer: 'whole' | 'read';
  readonly peakBytes: number | undefined;
}

function figuresOf(shape: Shape, { ms, lastLayer, peakBytes }: Measured, place: Place): Figures {
  return {
    step_ms: ms,
    tokens_per_second: (shape.rows * shape.tokens * 1000) / ms,
    gflops: flopsOfStep(shape, configOf(place), lastLayer) / ms / 1e6,
    peak_bytes: peakBytes,
  };
}

/** Texts of words that are one token each, so that with the two special tokens every row is exactly as long. */
function writeRows({ rows, tokens }: Shape, { options, folder }: Place): string {
  const { model } = JSON.parse(readFileSync(join(options.model, 'tokenizer.json'), 'utf8'));
  const words = Object.keys(model.vocab).filter((word) => /^[a-z]{3,}$/.test(word));
  const lines = Array.from({ length: rows * 4 }, (_, row) => {
    const text = Array.from({ length: tokens - 2 }, (__, at) => words[(row * 7919 + at * 104729) % words.length]);
    return JSON.stringify({ text: text.join(' '), label: row % 2 });
  });
  const path = join(folder, `dense-${rows}-${tokens}.jsonl`);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}
