/** A fine-tuned classifier, opened from its folder and ready to answer. */
import { batchesByLength, chunks, collate } from '../data/batch.ts';
import { openRuntime } from '../engine/runtime/openRuntime.node.ts';
import { AttuneError } from '../errors/index.ts';
import { openCheckpoint } from '../files/modelFolder.node.ts';
import { buildProgram } from '../models/nn/index.ts';
import { classify } from '../tasks/index.ts';
import { allocateParameters, loadParameters } from '../training/index.ts';
import { type ModelSource, readModelFolder, usableLength, usualLength } from './modelFolder.node.ts';
import { indexOfLargest, openScorer, type Scorer, softmax } from './scorer.ts';

export interface Prediction {
  readonly label: string;
  /** Probability of the label. */
  readonly score: number;
  /** Probability of every label. */
  readonly scores: Readonly<Record<string, number>>;
}

export interface TextInput {
  readonly text: string;
  readonly pair?: string;
}

export interface ClassifierOptions {
  readonly threads: number;
  /** Left out: as many tokens as is usual, or as the model has positions for. */
  readonly maxLength?: number | undefined;
  readonly batchSize: number;
}

export interface Classifier extends AsyncDisposable {
  readonly source: ModelSource;
  readonly labels: readonly string[];
  readonly scorer: Scorer;
  /** Tokens of an input that are read; the rest is cut off. */
  readonly maxLength: number;
  /** Answers in the order of the inputs. */
  predict(inputs: readonly TextInput[]): Promise<Prediction[]>;
}

export async function openClassifier(folder: string, options: ClassifierOptions): Promise<Classifier> {
  const source = await readModelFolder(folder);
  const labels = source.labels;
  if (!labels || labels.length < 2) throw noClassifier(folder);
  const maxLength = options.maxLength === undefined ? usualLength(source) : usableLength(options.maxLength, source);
  const program = buildProgram(classify(source.description, { numLabels: labels.length }));
  const parameters = program.parameters.map(({ parameter }) => ({ ...parameter, trainable: false }));
  const memory = allocateParameters(parameters);
  const checkpoint = await openCheckpoint(folder);
  const { architecture } = source.description;
  const { fresh } = await loadParameters(memory, parameters, { checkpoint, architecture, seed: 0, where: folder });
  await checkpoint.close();
  if (fresh.length > 0) throw noClassifier(folder, fresh);
  const { open } = await openRuntime();
  const scorer = await openScorer(program, { memory, open, threads: options.threads });
  return {
    source,
    labels,
    scorer,
    maxLength,
    predict: (inputs) => predictAll({ source, labels, scorer, maxLength, batchSize: options.batchSize }, inputs),
    [Symbol.asyncDispose]: () => scorer[Symbol.asyncDispose](),
  };
}

function noClassifier(folder: string, missing: readonly string[] = []): AttuneError {
  const problem = missing.length > 0 ? `its weights lack ${missing.join(', ')}` : 'its config.json names no labels';
  const fix = 'give the folder of a run, or of a model that was fine-tuned for classification';
  return new AttuneError({ code: 'MODEL_WEIGHTS', where: folder, problem: `it is no classifier: ${problem}`, fix });
}

interface Opened {
  readonly source: ModelSource;
  readonly labels: readonly string[];
  readonly scorer: Scorer;
  readonly maxLength: number;
  readonly batchSize: number;
}

async function predictAll(opened: Opened, inputs: readonly TextInput[]): Promise<Prediction[]> {
  const { source, labels, scorer, maxLength, batchSize } = opened;
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
      answers[batch[i]!] = predictionOf(row, labels);
    });
  }
  return answers;
}

function predictionOf(logits: readonly number[], labels: readonly string[]): Prediction {
  const probabilities = softmax(logits);
  const best = indexOfLargest(probabilities);
  const scores = Object.fromEntries(labels.map((label, i) => [label, probabilities[i]!]));
  return { label: labels[best]!, score: probabilities[best]!, scores };
}
