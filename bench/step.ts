/**
 * One full training step of all-MiniLM-L6-v2 against PyTorch, interleaved:
 *   npx tsx bench/step.ts --model FOLDER --python PYTHON [--batch 32] [--tokens 128] [--rounds 3] [--steps 4]
 * PYTHON is an environment made from tools/golden/requirements.txt. Prints the fastest step of each, and the ratio.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { collate } from '../src/data/batch.ts';
import { openRuntime } from '../src/engine/runtime/openRuntime.node.ts';
import { openCheckpoint, requireJson } from '../src/files/modelFolder.node.ts';
import { full } from '../src/methods/full.ts';
import { describeModel } from '../src/models/index.ts';
import { buildProgram } from '../src/models/nn/index.ts';
import { classify } from '../src/tasks/index.ts';
import { allocateParameters, loadParameters, openTrainer } from '../src/training/index.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    python: { type: 'string' },
    batch: { type: 'string', default: '32' },
    tokens: { type: 'string', default: '128' },
    rounds: { type: 'string', default: '3' },
    steps: { type: 'string', default: '4' },
    threads: { type: 'string', default: '2' },
    dropout: { type: 'string', default: '0.1' },
  },
});
const [batch, tokens, rounds, steps, threads] = [
  values.batch,
  values.tokens,
  values.rounds,
  values.steps,
  values.threads,
].map(Number) as [number, number, number, number, number];
const folder = values.model!;
const rate = Number(values.dropout);

async function openOurs() {
  const description = describeModel(await requireJson(folder, 'config.json'), folder);
  const program = buildProgram(classify(description, { numLabels: 2 }), {
    methods: [full.attach({ name: 'full' }, { defaultTargets: [] })],
    dropoutRate: () => rate,
  });
  const parameters = program.parameters.map(({ parameter }) => parameter);
  const memory = allocateParameters(parameters);
  const base = { ...(await openCheckpoint(folder)), where: folder };
  const { architecture } = description;
  await loadParameters(memory, parameters, { base, architecture, seed: 0 });
  const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
  const { open } = await openRuntime();
  return await openTrainer(program, { memory, open, threads, seed: 0, optimizer });
}

const rows = Array.from({ length: batch }, (_, row) => ({
  inputIds: Array.from({ length: tokens }, (__, at) => 1000 + ((row * 7919 + at * 104729) % 20000)),
  tokenTypeIds: new Array<number>(tokens).fill(0),
  label: row % 2,
}));
const trainer = await openOurs();
let done = 0;

async function ours(): Promise<number> {
  let fastest = Number.POSITIVE_INFINITY;
  for (let i = 0; i < steps; i++) {
    const started = performance.now();
    done += 1;
    const { count } = await trainer.gradients([collate(rows, 0)], done);
    const norm = trainer.gradientNorm(count);
    trainer.update({ step: done, learningRate: 5e-5, gradientScale: Math.min(1, 1 / norm) / count });
    fastest = Math.min(fastest, performance.now() - started);
  }
  return fastest;
}

function reference(precision: string): number {
  const script = join(import.meta.dirname, 'reference', 'step.py');
  const size = ['--batch', `${batch}`, '--tokens', `${tokens}`, '--steps', `${steps}`, '--threads', `${threads}`];
  const args = [
    script,
    '--model',
    folder,
    '--method',
    'full',
    '--precision',
    precision,
    '--dropout',
    `${rate}`,
    ...size,
  ];
  const lines = execFileSync(values.python!, args, { encoding: 'utf8' }).trim().split('\n');
  return JSON.parse(lines.at(-1)!).min_ms;
}

const fastest = { attune: Number.POSITIVE_INFINITY, fp32: Number.POSITIVE_INFINITY, bf16: Number.POSITIVE_INFINITY };
for (let round = 0; round < rounds; round++) {
  fastest.attune = Math.min(fastest.attune, await ours());
  if (!values.python) continue;
  fastest.fp32 = Math.min(fastest.fp32, reference('fp32'));
  fastest.bf16 = Math.min(fastest.bf16, reference('bf16'));
}
console.log(
  JSON.stringify({
    batch,
    tokens,
    dropout: rate,
    attune_ms: Math.round(fastest.attune),
    ...(values.python && {
      pytorch_fp32_ms: Math.round(fastest.fp32),
      pytorch_bf16_ms: Math.round(fastest.bf16),
      speed_over_fp32: Number((fastest.fp32 / fastest.attune).toFixed(2)),
      speed_over_bf16: Number((fastest.bf16 / fastest.attune).toFixed(2)),
    }),
    peak_memory_megabytes: Math.round(process.resourceUsage().maxRSS / 1000),
  }),
);
await trainer[Symbol.asyncDispose]();
