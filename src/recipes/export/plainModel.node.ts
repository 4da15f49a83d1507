/** A target as a model without methods, and the proof that it answers as before. */
import { availableParallelism } from 'node:os';
import type { OpenSession } from '../../engine/runtime/index.ts';
import { openRuntime } from '../../engine/runtime/openRuntime.node.ts';
import { AttuneError } from '../../errors/index.ts';
import type { Classifier } from '../../inference/classifier.node.ts';
import { fingerprintOf } from '../../inference/fingerprint.ts';
import { openScorer } from '../../inference/index.ts';
import { type FloatTensor, mergedTensors } from '../../inference/merged.ts';
import type { ModelSource } from '../../inference/modelFolder.node.ts';
import { buildProgram } from '../../models/nn/index.ts';
import { classify } from '../../tasks/index.ts';
import { frozenMemory } from '../../training/index.ts';

export interface PlainModel {
  readonly source: ModelSource;
  readonly labels: readonly string[];
  /** Tokens that an input is cut to. */
  readonly maxLength: number;
  /** Of two labels the second is answered where its probability reaches this. */
  readonly threshold: number | undefined;
  readonly tensors: readonly FloatTensor[];
  /** Between its scores of the probe rows and those of the model before; 0 where nothing was folded in. */
  readonly maxLogitDifference: number;
}

/** Scores differ by rounding alone: relative to the largest of them, or to 1. */
const TOLERANCE = 1e-4;

export async function plainModel(classifier: Classifier, where: string): Promise<PlainModel> {
  const { source, labels, maxLength, threshold, program, memory } = classifier;
  const { open } = await openRuntime();
  const tensors = await mergedTensors(program, { memory, open, threads: availableParallelism() });
  const isMerged = program.merged.size > 0;
  const maxLogitDifference = isMerged ? await drift(classifier, { tensors, open, where }) : 0;
  return { source, labels, maxLength, threshold, tensors, maxLogitDifference };
}

interface Merged {
  readonly tensors: readonly FloatTensor[];
  readonly open: OpenSession;
  readonly where: string;
}

async function drift({ source, labels, scorer }: Classifier, { tensors, open, where }: Merged): Promise<number> {
  const program = buildProgram(classify(source.description, { numLabels: labels.length }));
  const frozen = new Map(tensors.map(({ name, data }) => [name, data]));
  const memory = frozenMemory(frozen);
  await using merged = await openScorer(program, { memory, open, threads: availableParallelism() });
  const before = (await fingerprintOf(scorer, source.description)).flat();
  const after = (await fingerprintOf(merged, source.description)).flat();
  return refuseDrift(before, after, where);
}

/** The largest difference of scores, where rounding explains it. */
export function refuseDrift(before: readonly number[], after: readonly number[], where: string): number {
  const difference = Math.max(...before.map((score, i) => Math.abs(score - after[i]!)));
  const largest = Math.max(1, ...before.map(Math.abs));
  if (difference <= TOLERANCE * largest) return difference;
  throw new AttuneError({
    code: 'MERGE_DRIFT',
    where,
    problem: `merged, its scores of fixed probe rows differ by up to ${difference.toPrecision(2)} from those before`,
    fix: 'use the adapter unmerged; additions this much larger than the weights do not fit into them',
  });
}
