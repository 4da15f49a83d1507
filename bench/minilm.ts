/** A classifier with weights from a model folder that learns by one method, as the benchmarks time it. */
import { openRuntime } from '../src/engine/runtime/openRuntime.node.ts';
import { openCheckpoint, requireJson } from '../src/files/modelFolder.node.ts';
import { attachMethod, type MethodSettings } from '../src/methods/index.ts';
import { describeModel } from '../src/models/index.ts';
import { type Batch, buildProgram } from '../src/models/nn/index.ts';
import { classify } from '../src/tasks/index.ts';
import { allocateParameters, loadParameters, openTrainer, type Trainer } from '../src/training/index.ts';

interface Opening {
  readonly folder: string;
  readonly method: MethodSettings;
  readonly dropout: number;
  readonly threads: number;
  readonly batch?: Batch;
}

export async function openClassifierTrainer(opening: Opening): Promise<Trainer> {
  const { folder, method, dropout, threads, batch } = opening;
  const description = describeModel(await requireJson(folder, 'config.json'), folder);
  const { architecture } = description;
  const program = buildProgram(classify(description, { numLabels: 2 }), {
    methods: [attachMethod(method, architecture)],
    dropoutRate: () => dropout,
    ...(batch && { batch }),
  });
  const parameters = program.parameters.map(({ parameter }) => parameter);
  const memory = allocateParameters(parameters);
  const base = { ...(await openCheckpoint(folder)), where: folder };
  await loadParameters(memory, parameters, { base, architecture, seed: 0 });
  await base.close();
  const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };
  const { open } = await openRuntime();
  return await openTrainer(program, { memory, open, threads, seed: 0, optimizer });
}

/** Fills rows with words as they come, so that lengths alone make the difference. */
export const rowOf = (tokens: number, row: number) => ({
  inputIds: Array.from({ length: tokens }, (_, at) => 1000 + ((row * 7919 + at * 104729) % 20000)),
  tokenTypeIds: new Array<number>(tokens).fill(0),
  label: row % 2,
});

/** Milliseconds of one optimizer step, and the processor's milliseconds in it: on a busy machine these tell more. */
export async function timeStep(trainer: Trainer, parts: Parameters<Trainer['gradients']>[0], step: number) {
  const started = performance.now();
  const before = process.cpuUsage();
  const { count } = await trainer.gradients(parts, step);
  const norm = trainer.gradientNorm(count);
  trainer.update({ step, learningRate: 5e-5, gradientScale: Math.min(1, 1 / norm) / count });
  const { user, system } = process.cpuUsage(before);
  return { clock: performance.now() - started, processor: (user + system) / 1000 };
}
