/**
 * Runs that nobody would call sick: the guards must not fire on one of them.
 *   npx tsx bench/healthyRuns.ts --model FOLDER --data FOLDER [--rows 300]
 * DATA holds train.jsonl and validation.jsonl. Half of the runs are of the tiny model of the tests, on texts that it can
 * learn: one word says the label, and of twenty rows one has the wrong one, as data of the world has.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { parseRecipe, type RecipeInput } from '../src/recipes/schema/index.ts';
import { runTraining } from '../src/recipes/train/train.node.ts';

const { values } = parseArgs({
  options: { model: { type: 'string' }, data: { type: 'string' }, rows: { type: 'string', default: '300' } },
});
const folder = mkdtempSync(join(tmpdir(), 'attune-healthy-'));
const fillers = ['the', 'movie', 'film', 'was', 'is', 'very', 'story', 'plot', 'and'];
for (const [split, from] of Object.entries({ train: 0, validation: 7000 })) {
  mkdirSync(join(folder, 'tiny'), { recursive: true });
  const rows = Array.from({ length: Number(values.rows) }, (_, i) => plainRow(from + i));
  writeFileSync(join(folder, 'tiny', `${split}.jsonl`), rows.map((row) => JSON.stringify(row)).join('\n'));
  if (!values.data) continue;
  mkdirSync(join(folder, 'real'), { recursive: true });
  const lines = readFileSync(join(values.data, `${split}.jsonl`), 'utf8').split('\n');
  writeFileSync(join(folder, 'real', `${split}.jsonl`), lines.slice(0, Number(values.rows)).join('\n'));
}

function plainRow(n: number): { text: string; label: string } {
  const isGood = n % 2 === 0;
  const others = [n * n + n, n * 5 + 1, n * 7 + 3].slice(0, 1 + (n % 3)).map((i) => fillers[i % 9]!);
  const letters = [...String(n)].map((digit) => 'abcdefghij'[Number(digit)]!);
  const label = isGood !== (n % 20 === 7) ? 'good' : 'bad';
  return { text: [isGood ? 'good' : 'bad', ...others, ...letters].join(' '), label };
}

type Method = NonNullable<RecipeInput['method']>;
type Training = NonNullable<RecipeInput['training']>;
interface Healthy {
  readonly method: Method;
  readonly rate: number;
  readonly batch: number;
  readonly seed?: number;
  readonly more?: Training;
}

const lora: Method = { name: 'lora', target_modules: 'all-linear' };
const layers: Method = { name: 'freeze', trainable: 2 };
const tiny: readonly Healthy[] = [
  { method: 'full', rate: 1e-3, batch: 32 },
  { method: 'full', rate: 1e-3, batch: 32, seed: 1 },
  { method: 'full', rate: 3e-3, batch: 8 },
  { method: 'full', rate: 3e-3, batch: 8, seed: 1 },
  { method: 'full', rate: 3e-4, batch: 1 },
  { method: 'full', rate: 1e-3, batch: 4, more: { gradient_accumulation_steps: 4 } },
  { method: 'full', rate: 3e-3, batch: 16, more: { max_grad_norm: 0, dropout: 0 } },
  { method: lora, rate: 5e-3, batch: 8 },
  { method: lora, rate: 1e-2, batch: 16, seed: 1 },
  { method: layers, rate: 1e-3, batch: 4 },
  { method: 'freeze', rate: 1e-2, batch: 16 },
];
const real: readonly Healthy[] = [
  { method: 'full', rate: 5e-5, batch: 32 },
  { method: 'full', rate: 1e-4, batch: 16, seed: 1 },
  { method: 'full', rate: 1e-4, batch: 8, seed: 2 },
  { method: 'full', rate: 2e-5, batch: 2, more: { max_steps: 100 } },
  { method: 'full', rate: 1e-4, batch: 8, more: { warmup_ratio: 0.1, label_smoothing_factor: 0.1 } },
  { method: 'full', rate: 1e-4, batch: 8, more: { class_weights: 'balanced', lr_scheduler_type: 'cosine' } },
  { method: 'lora', rate: 5e-4, batch: 16 },
  { method: lora, rate: 1e-3, batch: 8, seed: 1 },
  { method: lora, rate: 2e-3, batch: 4, more: { max_steps: 100 } },
  { method: layers, rate: 1e-4, batch: 16 },
  { method: layers, rate: 5e-4, batch: 8, seed: 1 },
  { method: 'freeze', rate: 1e-3, batch: 16 },
];

interface Told {
  readonly metrics: { readonly accuracy: number; readonly loss: number };
  readonly steps: number;
  readonly guards: {
    readonly skipped_steps: number;
    readonly rollbacks: number;
    readonly events: { reason: string }[];
  };
}

let fired = 0;
async function run(name: string, model: string, { method, rate, batch, seed = 42, more }: Healthy, epochs: number) {
  const title = `${name} ${typeof method === 'string' ? method : JSON.stringify(method)} ${rate} batch ${batch} seed ${seed}`;
  const output = join(folder, title.replaceAll(/\W+/g, '-'));
  const training = { num_train_epochs: epochs, learning_rate: rate, per_device_train_batch_size: batch, seed, ...more };
  const data = {
    train: join(folder, name, 'train.jsonl'),
    validation: join(folder, name, 'validation.jsonl'),
    max_length: 40,
  };
  const recipe = parseRecipe({ model, task: 'text-classification', data, method, training, output_dir: output }, '');
  const record = await runTraining(recipe, { onEvent: () => undefined, signal: new AbortController().signal });
  const { metrics, steps, guards } = record as unknown as Told;
  fired += guards.skipped_steps + guards.rollbacks;
  const told = guards.events.map(({ reason }) => reason.slice(0, 90)).join(' | ');
  const figures = `${steps} steps, accuracy ${metrics.accuracy.toFixed(3)}, loss ${metrics.loss.toFixed(3)}`;
  console.log(
    `${title} ${more ? JSON.stringify(more) : ''}: ${figures}, ${guards.skipped_steps} skipped${told ? `: ${told}` : ''}`,
  );
  rmSync(output, { recursive: true });
}

const tinyModel = join(import.meta.dirname, '../tests/golden/bert-tiny/model');
for (const one of tiny) await run('tiny', tinyModel, one, 6);
for (const one of values.model ? real : []) await run('real', values.model!, one, 3);
rmSync(folder, { recursive: true });
console.log(`${tiny.length + (values.model ? real.length : 0)} runs, ${fired} steps refused`);
process.exitCode = fired === 0 ? 0 : 1;
