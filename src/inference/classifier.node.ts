/** A fine-tuned classifier, opened from its folder, or from an adapter and its base, and ready to answer. */

import { batchesByLength, chunks, collate } from '../data/batch.ts';
import { openRuntime } from '../engine/runtime/openRuntime.node.ts';
import { AttuneError } from '../errors/index.ts';
import type { Checkpoint } from '../files/index.ts';
import { ownFormsOf } from '../files/modelFolder.node.ts';
import { attachSaved, basePrecisionOf, type MethodSettings, positionsOf } from '../methods/index.ts';
import { trainedWeights } from '../methods/newModules.ts';
import { classificationOf } from '../models/index.ts';
import { type BasePrecision, buildProgram, type Program } from '../models/nn/index.ts';
import { type ClassificationOutputs, classify } from '../tasks/index.ts';
import type { ParameterMemory } from '../training/index.ts';
import { closingOnFailure } from './closingOnFailure.ts';
import { fingerprintOf, sameFingerprint } from './fingerprint.ts';
import { withFiniteScores } from './finiteAnswers.ts';
import { loadWeights } from './loadWeights.node.ts';
import { type ModelSource, readModelFolder, usableLength } from './modelFolder.node.ts';
import { decide, openScorer, type Scorer, softmax } from './scorer.ts';

export interface Prediction {
  readonly label: string;
  /** Probability of the label: the largest one, unless a threshold decides. */
  readonly score: number;
  /** Probability of every label. */
  readonly scores: Readonly<Record<string, number>>;
}

export interface TextInput {
  readonly text: string;
  readonly pair?: string;
}

/** What a partial method trained, for the base in `folder`. */
export interface AdapterSource {
  readonly folder: string;
  readonly method: MethodSettings;
  /** Undefined for adapters of other programs, which do not name them. */
  readonly labels?: readonly string[] | undefined;
  /** Scores that it gave when it was saved. */
  readonly fingerprint?: readonly number[][] | undefined;
  open(): Promise<Checkpoint>;
}

export interface Artifact {
  /** A model's folder; with an adapter, its base's. */
  readonly folder: string;
  readonly adapter?: AdapterSource | undefined;
  /** Of two labels the second is answered where its probability reaches this; left out: the likelier one. */
  readonly threshold?: number | undefined;
}

export interface ClassifierOptions {
  readonly threads: number;
  /** Left out: 128 tokens, or fewer where the model has fewer positions. */
  readonly maxLength?: number | undefined;
  readonly batchSize: number;
  /** Left out: as the adapter was trained. */
  readonly basePrecision?: BasePrecision | undefined;
}

export interface Classifier extends AsyncDisposable {
  readonly source: ModelSource;
  readonly labels: readonly string[];
  readonly scorer: Scorer;
  readonly program: Program<ClassificationOutputs>;
  readonly memory: ParameterMemory;
  readonly maxLength: number;
  readonly threshold: number | undefined;
  /** Answers in the order of the inputs. */
  predict(inputs: readonly TextInput[]): Promise<Prediction[]>;
}

export async function openClassifier(artifact: Artifact, options: ClassifierOptions): Promise<Classifier> {
  const source = await readModelFolder(artifact.folder);
  const trained = artifact.adapter ? basePrecisionOf(artifact.adapter.method) : 'fp32';
  const basePrecision = options.basePrecision ?? trained;
  const { labels, threshold, program, memory } = await loadArtifact(artifact, { source, basePrecision });
  const { open } = await openRuntime();
  const opened = await openScorer(program, { memory, open, threads: options.threads });
  const scorer = withFiniteScores(opened, { memory, folder: artifact.folder });
  const maxLength = await closingOnFailure(scorer, async () => {
    // Over a base of another precision the scores differ by what rounding does.
    if (basePrecision === trained) await checkFingerprint(artifact, source, scorer);
    const taken = artifact.adapter ? positionsOf(artifact.adapter.method) : 0;
    return usableLength(options.maxLength, source, { taken });
  });
  return {
    source,
    labels,
    scorer,
    program,
    memory,
    maxLength,
    threshold,
    predict: (inputs) =>
      predictAll({ source, labels, scorer, maxLength, threshold, batchSize: options.batchSize }, inputs),
    [Symbol.asyncDispose]: () => scorer[Symbol.asyncDispose](),
  };
}

interface Form {
  readonly source: ModelSource;
  readonly basePrecision: BasePrecision;
}

async function loadArtifact(artifact: Artifact, { source, basePrecision }: Form) {
  const adapter = artifact.adapter && { ...(await artifact.adapter.open()), where: artifact.adapter.folder };
  try {
    const labels = labelsOf(artifact, source, adapter);
    const threshold = thresholdOf(artifact, labels);
    return { labels, threshold, ...(await loadProgram(artifact, { source, labels, adapter, basePrecision })) };
  } finally {
    await adapter?.close();
  }
}

export type OpenAdapter = Checkpoint & { readonly where: string };

/** An adapter's own labels, or the model's; an adapter that names none, on a base that names none, gets numbers. */
export function labelsOf({ folder, adapter }: Artifact, source: ModelSource, opened?: OpenAdapter): readonly string[] {
  const { head } = classificationOf(source.description);
  const rows = opened?.shapeOf(`${head}.weight`)?.[0];
  const numbered = Array.from({ length: rows ?? 0 }, (_, i) => `LABEL_${i}`);
  const own = source.labels?.length === (rows ?? source.labels?.length) ? source.labels : undefined;
  const labels = adapter?.labels ?? own ?? numbered;
  if (labels.length >= 2) return labels;
  throw noClassifier(adapter?.folder ?? folder, 'its config.json names no labels');
}

export function thresholdOf({ folder, adapter, threshold }: Artifact, labels: readonly string[]): number | undefined {
  if (threshold === undefined || labels.length === 2) return threshold;
  throw new AttuneError({
    code: 'RUN_INVALID',
    where: adapter?.folder ?? folder,
    problem: `its attune.json has a threshold, which chooses between two labels, but it has ${labels.length}`,
    fix: 'use the folder as it was saved, or train again',
  });
}

interface Opening {
  readonly source: ModelSource;
  readonly labels: readonly string[];
  readonly adapter?: OpenAdapter | undefined;
  readonly basePrecision: BasePrecision;
}

async function loadProgram(artifact: Artifact, { source, labels, adapter, basePrecision }: Opening) {
  const { architecture } = source.description;
  const methods = artifact.adapter ? [attachSaved(artifact.adapter, architecture)] : [];
  if (adapter) methods.push(trainedWeights(adapter));
  const ownForms = await ownFormsOf(artifact.folder);
  const options = { methods, basePrecision, ownForms };
  const program = buildProgram(classify(source.description, { numLabels: labels.length }), options);
  const { memory, fresh } = await loadWeights(program, { folder: artifact.folder, adapter, architecture });
  if (fresh.length > 0) throw noClassifier(artifact.folder, `its weights lack ${fresh.join(', ')}`);
  return { program, memory };
}

export function noClassifier(folder: string, problem: string): AttuneError {
  const fix = 'give the folder of a run, or of a model that was fine-tuned for classification';
  return new AttuneError({ code: 'MODEL_WEIGHTS', where: folder, problem: `it is no classifier: ${problem}`, fix });
}

export async function checkFingerprint(
  { folder, adapter }: Pick<Artifact, 'folder'> & { readonly adapter?: Pick<AdapterSource, 'folder' | 'fingerprint'> },
  source: ModelSource,
  scorer: Pick<Scorer, 'probe'>,
): Promise<void> {
  if (!adapter?.fingerprint) return;
  if (sameFingerprint(await fingerprintOf(scorer, source.description), adapter.fingerprint)) return;
  throw new AttuneError({
    code: 'ADAPTER_MISMATCH',
    where: adapter.folder,
    problem: `with the base in ${folder} it does not answer as it did when it was saved: a weight has changed`,
    fix: 'use the very base that it was trained on, and the adapter as it was saved',
  });
}

interface Opened {
  readonly source: ModelSource;
  readonly labels: readonly string[];
  readonly scorer: Scorer;
  readonly maxLength: number;
  readonly threshold: number | undefined;
  readonly batchSize: number;
}

async function predictAll(opened: Opened, inputs: readonly TextInput[]) {
  const { source, labels, scorer, maxLength, threshold, batchSize } = opened;
  const { tokenizer } = source;
  const rows = inputs.map(({ text, pair }) => ({
    ...tokenizer.encode(text, { pair, maxLength }),
    label: -100,
  }));
  const answers = new Array<Prediction>(inputs.length);
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  for (const batch of batchesByLength(lengths, batchSize)) {
    const { feeds } = collate(
      batch.map((index) => rows[index]!),
      tokenizer.padTokenId,
    );
    const { logits } = await scorer.score(feeds);
    chunks(Array.from(logits), labels.length).forEach((row, i) => {
      answers[batch[i]!] = predictionOf(row, labels, threshold);
    });
  }
  return answers;
}

export function predictionOf(logits: readonly number[], labels: readonly string[], threshold?: number): Prediction {
  const probabilities = softmax(logits);
  const best = decide(logits, threshold);
  const scores = Object.fromEntries(labels.map((label, i) => [label, probabilities[i]!]));
  return { label: labels[best]!, score: probabilities[best]!, scores };
}
