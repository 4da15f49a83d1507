/**
 * What the guards cost: steps with and without them, one of each in turn, and the parts by themselves.
 *   npx tsx bench/guards.ts --model FOLDER [--batch 32] [--tokens 28] [--steps 30]
 */
import { parseArgs } from 'node:util';
import { collate } from '../src/data/batch.ts';
import { openRuntime } from '../src/engine/runtime/openRuntime.node.ts';
import { openCheckpoint, requireJson } from '../src/files/modelFolder.node.ts';
import { attachMethod, methods } from '../src/methods/index.ts';
import { describeModel } from '../src/models/index.ts';
import { buildProgram } from '../src/models/nn/index.ts';
import { hashBase } from '../src/recipes/train/guarding/baseFiles.node.ts';
import { classify } from '../src/tasks/index.ts';
import { allocateParameters, loadParameters, openGuards, openTrainer, type Trainer } from '../src/training/index.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    batch: { type: 'string', default: '32' },
    tokens: { type: 'string', default: '28' },
    steps: { type: 'string', default: '30' },
    threads: { type: 'string', default: '2' },
  },
});
const [rows, tokens, steps] = [values.batch, values.tokens, values.steps].map(Number) as [number, number, number];
const folder = values.model!;
const median = (times: readonly number[]): number => [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)]!;

async function measure(name: 'full' | 'lora') {
  const description = describeModel(await requireJson(folder, 'config.json'), folder);
  const method = attachMethod(methods[name].settings.parse({ name }), description.architecture);
  const program = buildProgram(classify(description, { numLabels: 2 }), { methods: [method] });
  const parameters = program.parameters.map(({ parameter }) => parameter);
  const memory = allocateParameters(parameters);
  const base = { ...(await openCheckpoint(folder)), where: folder };
  await loadParameters(memory, parameters, { base, architecture: description.architecture, seed: 0 });
  await base.close();
  const { open } = await openRuntime();
  const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
  const threads = Number(values.threads);
  const trainer: Trainer = await openTrainer(program, { memory, open, threads, seed: 0, optimizer });
  const lastGood = () => Promise.reject(new Error('internal: a healthy step was refused'));
  const guards = openGuards({ trainer, memory, action: 'skip', maxSkippedSteps: 5, lastGood, chance: Math.LN2 });
  const batch = collate(
    Array.from({ length: rows }, (_, row) => ({
      inputIds: Array.from({ length: tokens }, (__, at) => 1000 + ((row * 7919 + at * 104729) % 20000)),
      tokenTypeIds: new Array<number>(tokens).fill(0),
      label: row % 2,
    })),
    0,
  );
  const [whole, judged]: number[][] = [[], []];
  for (let step = 1; step <= steps; step++) {
    const started = performance.now();
    const { sum, count } = await trainer.gradients([batch], step);
    const gradientNorm = trainer.gradientNorm(count);
    const seen = { step, loss: sum / count, gradientNorm, rows, batches: [batch], learningRate: 1e-5 };
    const before = performance.now();
    if (await guards.judge(seen)) throw new Error('internal: a healthy step was refused');
    judged!.push(performance.now() - before);
    trainer.update({ step, learningRate: 1e-5, gradientScale: 1 / count });
    whole!.push(performance.now() - started);
  }
  await trainer[Symbol.asyncDispose]();
  const total = (times: readonly number[]): number => times.reduce((a, b) => a + b, 0);
  console.log({
    method: name,
    step_median_ms: median(whole!),
    guard_median_ms: median(judged!),
    guard_largest_ms: Math.max(...judged!),
    guard_share_of_all_steps: total(judged!) / total(whole!),
  });
}

for (const name of ['full', 'lora'] as const) await measure(name);
const started = performance.now();
await hashBase(folder);
console.log({ hashing_the_base_ms: performance.now() - started });
