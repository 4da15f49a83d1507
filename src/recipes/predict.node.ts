/** Answers for many inputs, in their order: labels of a classifier, texts of a language model. */
import { availableParallelism } from 'node:os';
import { chunks } from '../data/batch.ts';
import { openClassifier, type Prediction, type TextInput } from '../inference/classifier.node.ts';
import { isLanguageModel } from './kindOf.node.ts';
import { type Answered, answerRows, type Questions } from './speaking/answerRows.node.ts';
import { openTarget, type Target } from './target.node.ts';
import { readExamples } from './train/tasks/classificationData.node.ts';

export interface Labelled {
  readonly input: TextInput;
  readonly prediction: Prediction;
}

interface Wish extends Pick<Questions, 'inputs' | 'signal'> {
  /** Of a language model; called once it is known to be one. */
  readonly speaking: () => Promise<Pick<Questions, 'settings' | 'basePrecision' | 'system' | 'think'>>;
  /** Called once the target is known to be a classifier. */
  readonly labelling: () => void;
}

export async function* predictWith(reference: string, wish: Wish): AsyncGenerator<Labelled | Answered> {
  const { inputs, signal } = wish;
  const target = await openTarget(reference, signal);
  if (await isLanguageModel(target)) {
    yield* answerRows(target, { reference, inputs, signal, ...(await wish.speaking()) });
    return;
  }
  wish.labelling();
  yield* labels(target, wish);
}

const BATCH = 64;
/** Inputs that are read, sorted by length and answered together: long files are answered as they go. */
const INPUTS_AT_ONCE = 1024;

async function* labels({ artifact, recipe, maxLength }: Target, { inputs, signal }: Wish): AsyncGenerator<Labelled> {
  const texts = 'texts' in inputs ? inputs.texts : await readExamples(inputs.files, recipe?.data.columns, 'optional');
  await using model = await openClassifier(artifact, { threads: availableParallelism(), maxLength, batchSize: BATCH });
  for (const part of chunks(texts, INPUTS_AT_ONCE)) {
    signal.throwIfAborted();
    const predictions = await model.predict(part);
    yield* part.map((input, i) => ({ input, prediction: predictions[i]! }));
  }
}
