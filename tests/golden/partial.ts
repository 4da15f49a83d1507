/** The tiny model under a partial method, and the plan of its golden curves. */
import { type BatchFeeds, chunks, collate, type EncodedRow } from '../../src/data/batch.ts';
import type { Checkpoint } from '../../src/files/index.ts';
import { openCheckpoint, requireJson } from '../../src/files/modelFolder.node.ts';
import { attachMethod, basePrecisionOf, type MethodSettings, type ModelFacts } from '../../src/methods/index.ts';
import { describeModel, type ModelDescription } from '../../src/models/index.ts';
import { type BasePrecision, buildProgram, type Method } from '../../src/models/nn/index.ts';
import { classify } from '../../src/tasks/index.ts';
import {
  allocateParameters,
  loadParameters,
  type MicroBatch,
  openTrainer,
  type ParameterMemory,
  trainSteps,
} from '../../src/training/index.ts';
import { goldenFolder, readGolden, runtime } from './fixtures.ts';

const tiny: TinyModel = { folder: `${goldenFolder}/bert-tiny/model`, numLabels: 3 };
export const optimizer = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };

interface TinyModel {
  readonly folder: string;
  readonly numLabels: number;
}

interface Opening {
  readonly adapter?: Checkpoint | undefined;
  readonly precision?: 'fp32' | 'int8';
  /** Left out: the method's. */
  readonly basePrecision?: BasePrecision | undefined;
  readonly model?: TinyModel;
  readonly tokenIds?: (text: string) => readonly number[];
  readonly dropoutRate?: (configured: number) => number;
  /** Beside the method. */
  readonly others?: readonly Method[];
  /** Of a method that begins with a part of what it trains. */
  readonly run?: ModelFacts['run'];
}

export async function openPartial(
  method: MethodSettings,
  { adapter, precision, basePrecision, dropoutRate, model = tiny, others = [], ...facts }: Opening = {},
) {
  const { folder, numLabels } = model;
  const description = describeModel(await requireJson(folder, 'config.json'), folder);
  const built = programOf(method, description, facts);
  const program = buildProgram(classify(description, { numLabels }), {
    ...built,
    methods: [...built.methods, ...others],
    ...(basePrecision && { basePrecision }),
    precision,
    dropoutRate,
  });
  const parameters = program.parameters.map(({ parameter }) => parameter);
  const memory = allocateParameters(parameters);
  const base = { ...(await openCheckpoint(folder)), where: folder };
  const { architecture } = description;
  const named = adapter && { ...adapter, where: 'adapter' };
  await loadParameters(memory, parameters, { base, adapter: named, architecture, seed: 0 });
  await base.close();
  return { program, memory };
}

export const programOf = (
  method: MethodSettings,
  { architecture }: ModelDescription,
  facts: Pick<Opening, 'tokenIds' | 'run'> = {},
) => ({
  methods: [attachMethod(method, { ...architecture, ...facts })],
  basePrecision: basePrecisionOf(method),
});

interface Trained {
  readonly program: Parameters<typeof openTrainer>[0];
  readonly memory: ParameterMemory;
}

export const trainerOf = ({ program, memory }: Trained, settings = optimizer) =>
  openTrainer(program, { memory, open: runtime.open, threads: 1, seed: 0, optimizer: settings });

interface GoldenRow {
  input_ids: number[];
  token_type_ids: number[];
  label: number;
}

/** 32 rows of different lengths. */
export function goldenRows(): EncodedRow[] {
  const { rows } = readGolden('bert-tiny/curve.json') as { rows: GoldenRow[] };
  return rows.map(
    ({ input_ids, token_type_ids, label }): EncodedRow => ({
      inputIds: input_ids,
      tokenTypeIds: token_type_ids,
      label,
    }),
  );
}

export const goldenBatches = (): BatchFeeds[] => chunks(goldenRows(), 8).map((batch) => collate(batch, 0));

interface Course {
  /** Taken one after the other, again from the first after the last. */
  readonly batches?: readonly MicroBatch[];
  /** Sees the model after a step. */
  readonly each?: (() => void) | undefined;
}

/** Loss of every step of a golden plan, with what the method adds to it. */
export async function lossCurve(
  opened: Trained,
  plan: Record<string, number>,
  { batches = goldenBatches(), each }: Course = {},
): Promise<number[]> {
  const steps = Array.from({ length: plan.steps! }, (_, step) => ({
    batches: [batches[step % batches.length]!],
    epoch: 0,
    lastOfEpoch: false,
  }));
  await using trainer = await trainerOf(opened);
  const schedule = {
    name: 'linear',
    learningRate: plan.learning_rate!,
    warmupSteps: plan.warmup_steps!,
    totalSteps: plan.steps!,
  } as const;
  const losses: number[] = [];
  const options = { schedule, maxGradientNorm: plan.max_grad_norm! };
  for await (const { loss, penalty = 0 } of trainSteps(trainer, steps, options)) {
    losses.push(loss + penalty);
    each?.();
  }
  return losses;
}
