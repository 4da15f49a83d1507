/** A target as a model without methods, and the proof that it answers as before. */
import { availableParallelism } from 'node:os';
import type { EncodedRow } from '../../data/batch.ts';
import { openRuntime } from '../../engine/runtime/openRuntime.node.ts';
import { evaluateClassifier } from '../../evaluation/index.ts';
import type { Classifier } from '../../inference/classifier.node.ts';
import { fingerprintOf } from '../../inference/fingerprint.ts';
import { openScorer, type Scorer } from '../../inference/index.ts';
import { type FloatTensor, mergedTensors } from '../../inference/merged.ts';
import type { ModelSource } from '../../inference/modelFolder.node.ts';
import { decide } from '../../inference/scorer.ts';
import { buildProgram, type Program } from '../../models/nn/index.ts';
import { classify } from '../../tasks/index.ts';
import { frozenMemory } from '../../training/index.ts';
import { type Drift, driftOf, type Limit, noDrift, refuseDrift } from './drift.ts';

export interface PlainModel {
  readonly source: ModelSource;
  readonly labels: readonly string[];
  /** Tokens that an input is cut to. */
  readonly maxLength: number;
  /** Of two labels the second is answered where its probability reaches this. */
  readonly threshold: number | undefined;
  readonly tensors: readonly FloatTensor[];
  /** Nothing where nothing was folded in. */
  readonly drift: Drift;
}

export interface Merging extends Limit {
  /** The target over the base that it is merged into; left out: as it is opened. */
  readonly over?: Classifier;
  /** Labelled rows to compare on; left out: the fixed rows of fingerprints. */
  readonly rows?: readonly EncodedRow[] | undefined;
  readonly signal?: AbortSignal;
}

export async function plainModel(target: Classifier, merging: Merging): Promise<PlainModel> {
  const { source, labels, maxLength, threshold } = target;
  const { program, memory } = merging.over ?? target;
  const { open } = await openRuntime();
  const tensors = await mergedTensors(program, { memory, open, threads: availableParallelism() });
  const drift = isChanged(target.program) ? await measured(target, tensors, merging) : noDrift;
  refuseDrift(drift, merging);
  return { source, labels, maxLength, threshold, tensors, drift };
}

/** A merged model has other weights than the program; rounded ones become numbers. */
export const isChanged = ({ merged, parameters }: Program<unknown>): boolean =>
  merged.size > 0 || parameters.some(({ parameter }) => parameter.stored);

/** Weights of a program without methods. */
export const memoryOf = (tensors: readonly FloatTensor[]) =>
  frozenMemory(new Map(tensors.map(({ name, data }) => [name, data])));

async function measured(
  target: Classifier,
  tensors: readonly FloatTensor[],
  { rows, signal }: Merging,
): Promise<Drift> {
  const { source, labels, scorer } = target;
  const { open } = await openRuntime();
  const program = buildProgram(classify(source.description, { numLabels: labels.length }));
  await using merged = await openScorer(program, { memory: memoryOf(tensors), open, threads: availableParallelism() });
  if (!rows) {
    const scores = async (of: Scorer) => (await fingerprintOf(of, source.description)).flat();
    return driftOf(await scores(scorer), await scores(merged));
  }
  const [before, after] = [await pass(target, scorer, { rows, signal }), await pass(target, merged, { rows, signal })];
  const metrics = { before: before.metrics, after: after.metrics };
  const answered = answersOf(after.logits, target);
  const changedAnswers = answersOf(before.logits, target).filter((label, i) => label !== answered[i]).length;
  return { ...driftOf(before.logits, after.logits), rows: rows.length, changedAnswers, metrics };
}

/** The label of each row. */
const answersOf = (logits: Float32Array, { labels, threshold }: Classifier): number[] =>
  Array.from({ length: logits.length / labels.length }, (_, row) =>
    decide(logits.subarray(row * labels.length, (row + 1) * labels.length), threshold),
  );

const BATCH = 64;

interface Pass {
  readonly rows: readonly EncodedRow[];
  readonly signal?: AbortSignal | undefined;
}

async function pass({ source, labels, threshold }: Classifier, scorer: Scorer, { rows, signal }: Pass) {
  const logits = new Float32Array(rows.length * labels.length);
  const { metrics } = await evaluateClassifier(rows, {
    scorer,
    padTokenId: source.tokenizer.padTokenId,
    numLabels: labels.length,
    batchSize: BATCH,
    threshold,
    ...(signal && { signal }),
    onScores: (row, scores) => logits.set(scores, row * labels.length),
  });
  return { metrics, logits };
}
