/** The frozen part of a run's model: computed once for each row of training and validation, then read. */
import { freemem } from 'node:os';
import type { OpenSession } from '../../engine/runtime/index.ts';
import { openScorer, type Scorer } from '../../inference/index.ts';
import { type Cut, cutProgram, type Program } from '../../models/nn/index.ts';
import { freeBytes, openScratchFile, type ScratchFile } from '../../store/runs/index.ts';
import type { ClassificationOutputs } from '../../tasks/index.ts';
import { type FeatureSource, featureBytes, openFeatures, type ParameterMemory } from '../../training/index.ts';
import type { Recipe } from '../schema/index.ts';
import type { PreparedData } from './prepareData.node.ts';

type Classification = Program<ClassificationOutputs>;

export interface FrozenPart extends AsyncDisposable {
  readonly train: FeatureSource;
  /** What the training rows take, in memory or on the disk. */
  readonly bytes: number;
  readonly validation: FeatureSource | undefined;
  /** Scores features. */
  readonly scorer: Scorer;
}

export interface Programs {
  readonly learning: Classification;
  readonly measured: Classification;
}

/** What is trained, and the cuts where something is to be kept. */
export interface Divided {
  readonly learning: Classification;
  readonly cuts?: Cuts;
  /** Why nothing is kept although it could be. */
  readonly refused?: string;
}
interface Cuts {
  readonly learning: Cut<ClassificationOutputs>;
  readonly measured: Cut<ClassificationOutputs>;
}

type Data = Pick<PreparedData, 'train' | 'validation'>;

/**
 * Cuts the programs below the lowest trained parameter. With `dropout: auto` nothing is dropped below the cut, whether
 * or not anything is kept: a setting of memory does not change what is learned.
 */
export function divide(
  { data: { packing }, training, output_dir }: Recipe,
  { learning, measured }: Programs,
  data: Data,
): Divided {
  // Packed, a text is no row of its own.
  if (packing) return { learning };
  const cut = cutProgram(learning, { dropsBelow: training.dropout !== 'auto' });
  const other = cutProgram(measured, { dropsBelow: false });
  if (!cut || !other) return { learning };
  if (training.feature_cache === 'off') return { learning: cut.whole };
  const cuts = { learning: cut, measured: other };
  const lacking = bytesOf(cuts, data) - memoryFor(training) - freeBytes(output_dir) * SHARE_OF_DISK;
  if (lacking <= 0) return { learning: cut.above, cuts };
  const missing = `${(lacking / 1e9).toFixed(1)} GB of memory and disk are missing`;
  return { learning: cut.whole, refused: `the outputs of the frozen layers are computed at every step: ${missing}` };
}

function bytesOf({ learning, measured }: Cuts, { train, validation }: Data): number {
  return (
    featureBytes(learning.below.outputs, train.rows) + featureBytes(measured.below.outputs, validation?.rows ?? [])
  );
}

const MEGABYTE = 1e6;
const SHARE_OF_MEMORY = 1 / 4;
/** The disk is not filled to the brim. */
const SHARE_OF_DISK = 0.9;

const memoryFor = ({ feature_cache }: Recipe['training']): number =>
  typeof feature_cache === 'number' ? feature_cache * MEGABYTE : freemem() * SHARE_OF_MEMORY;

interface Opening {
  readonly recipe: Recipe;
  readonly data: Data;
  readonly memory: ParameterMemory;
  readonly open: OpenSession;
  readonly threads: number;
  readonly padTokenId: number;
}

export async function openFrozenPart({ learning, measured }: Cuts, opening: Opening): Promise<FrozenPart> {
  const { recipe, data, memory, open, threads, padTokenId } = opening;
  const { per_device_eval_batch_size: batchSize } = recipe.evaluation;
  const files: ScratchFile[] = [];
  const openStorage = (): ScratchFile => {
    files.push(openScratchFile(recipe.output_dir));
    return files.at(-1)!;
  };
  const options = { memory, open, threads, padTokenId, openStorage };
  const room = memoryFor(recipe.training);
  const heldOut = featureBytes(measured.below.outputs, data.validation?.rows ?? []);
  const validation =
    data.validation &&
    (await openFeatures(measured, data.validation.rows, {
      ...options,
      batchSize,
      memoryBytes: room,
    }));
  const train = await openFeatures(learning, data.train.rows, {
    ...options,
    batchSize,
    memoryBytes: Math.max(0, room - heldOut),
  });
  const scorer = await openScorer(measured.above, { memory, open, threads });
  return {
    train,
    bytes: featureBytes(learning.below.outputs, data.train.rows),
    validation,
    scorer,
    async [Symbol.asyncDispose]() {
      for (const part of [train, validation, scorer]) await part?.[Symbol.asyncDispose]();
      for (const file of files) file[Symbol.dispose]();
    },
  };
}
