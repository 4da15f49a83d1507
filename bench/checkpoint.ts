/**
 * What resuming costs, on real weights:
 *   npx tsx bench/checkpoint.ts --model FOLDER [--method lora|freeze|full] [--saves 15] [--folder FOLDER]
 * Prints milliseconds of a checkpoint (written, made durable, read back, renamed), of the checks of one when a run is
 * resumed, of the checksums that a run takes when it starts, and of a training step of 32 x 128 tokens to compare with.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { collate } from '../src/data/batch.ts';
import { openRuntime } from '../src/engine/runtime/openRuntime.node.ts';
import { openCheckpoint, requireJson } from '../src/files/modelFolder.node.ts';
import { attachMethod, parseMethod } from '../src/methods/index.ts';
import { describeModel } from '../src/models/index.ts';
import { buildProgram } from '../src/models/nn/index.ts';
import { refuseNotFiniteWeights } from '../src/recipes/train/guarding/notFinite.ts';
import { noGuardEvents } from '../src/recipes/train/guarding/openGuarding.ts';
import { stateFiles } from '../src/recipes/train/resume/runState.node.ts';
import { codeHash } from '../src/recipes/train/version.node.ts';
import { findCheckpoints, pruneCheckpoints, writeCheckpoint } from '../src/store/checkpoints/index.ts';
import { sha256OfFile } from '../src/store/index.ts';
import { classify } from '../src/tasks/index.ts';
import { allocateParameters, loadParameters, openTrainer } from '../src/training/index.ts';

const { values } = parseArgs({
  options: {
    model: { type: 'string' },
    method: { type: 'string', default: 'lora' },
    saves: { type: 'string', default: '15' },
    folder: { type: 'string', default: tmpdir() },
  },
});
const folder = values.model!;

async function openOurs() {
  const description = describeModel(await requireJson(folder, 'config.json'), folder);
  const { architecture } = description;
  const method = attachMethod(parseMethod({ name: values.method }, 'bench'), architecture);
  const program = buildProgram(classify(description, { numLabels: 2 }), { methods: [method] });
  const parameters = program.parameters.map(({ parameter }) => parameter);
  const memory = allocateParameters(parameters);
  const base = { ...(await openCheckpoint(folder)), where: folder };
  await loadParameters(memory, parameters, { base, architecture, seed: 0 });
  await base.close();
  const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
  const { open } = await openRuntime();
  return await openTrainer(program, { memory, open, threads: 2, seed: 0, optimizer });
}

const median = (times: readonly number[]): number => times.toSorted((a, b) => a - b)[Math.floor(times.length / 2)]!;
const rounded = (value: number): number => Number(value.toFixed(1));

async function timed(count: number, work: (index: number) => unknown): Promise<number[]> {
  const times: number[] = [];
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    await work(i);
    times.push(performance.now() - started);
  }
  return times;
}

const rows = Array.from({ length: 32 }, (_, row) => ({
  inputIds: Array.from({ length: 128 }, (__, at) => 1000 + ((row * 7919 + at * 104729) % 20000)),
  tokenTypeIds: new Array<number>(128).fill(0),
  label: row % 2,
}));
const trainer = await openOurs();
const steps = await timed(5, async (i) => {
  const { count } = await trainer.gradients([collate(rows, 0)], i + 1);
  trainer.update({ step: i + 1, learningRate: 5e-5, gradientScale: 1 / count });
});

const root = mkdtempSync(join(values.folder, 'attune-bench-'));
// As large as the best model would be; it is linked, and its checksum taken anew.
const best = join(root, 'best');
mkdirSync(best);
const stateBytes = trainer.state().reduce((sum, { data }) => sum + data.byteLength, 0);
writeFileSync(join(best, 'weights'), Buffer.alloc(stateBytes / 3));
const kept = {
  model: { trainer },
  reached: { step: 1, epoch: 0.5, isUnmeasured: false, worse: 0, unlogged: [], guards: noGuardEvents },
  seconds: { load: 0, train: 0, evaluate: 0 },
};
// What guards remember is a few hundred bytes: nothing of it is measured.
const guarding = { totals: noGuardEvents } as Parameters<typeof stateFiles>[1];
const saves = await timed(Number(values.saves), async (i) => {
  refuseNotFiniteWeights(trainer.state());
  await writeCheckpoint(join(root, 'checkpoints'), i + 1, { files: stateFiles(kept, guarding, 1), linked: best });
  await pruneCheckpoints(join(root, 'checkpoints'), 2, []);
});
const checks = await timed(5, () => findCheckpoints(join(root, 'checkpoints')));
const code = await timed(5, codeHash);
const weights = readdirSync(folder).filter((name) => name.endsWith('.safetensors'));
const base = await timed(5, () => Promise.all(weights.map((name) => sha256OfFile(join(folder, name)))));
console.log(
  JSON.stringify({
    method: values.method,
    state_megabytes: rounded(stateBytes / 1e6),
    save_ms: {
      median: rounded(median(saves)),
      fastest: rounded(Math.min(...saves)),
      slowest: rounded(Math.max(...saves)),
    },
    check_ms: rounded(median(checks)),
    code_hash_ms: rounded(median(code)),
    base_hash_ms: rounded(median(base)),
    base_megabytes: rounded(weights.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0) / 1e6),
    step_ms: rounded(median(steps)),
  }),
);
rmSync(root, { recursive: true });
await trainer[Symbol.asyncDispose]();
