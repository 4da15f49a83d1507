/** Answers of a trained classifier, in the order of the inputs. */
import { availableParallelism } from 'node:os';
import { chunks } from '../data/batch.ts';
import { AttuneError } from '../errors/index.ts';
import { openClassifier, type Prediction, type TextInput } from '../inference/classifier.node.ts';
import { isLanguageModel } from './evaluateLanguage.node.ts';
import { openTarget } from './target.node.ts';
import { readExamples } from './train/tasks/classificationData.node.ts';

function writesText(where: string): AttuneError {
  const problem = 'it is a language model: it writes text and chooses no label';
  return new AttuneError({ code: 'USAGE', where, problem, fix: `call: attune generate ${where} --prompt TEXT` });
}

const BATCH = 64;
/** Inputs that are read, sorted by length and answered together: long files are answered as they go. */
const INPUTS_AT_ONCE = 1024;

export async function* predictWith(
  reference: string,
  inputs: { readonly files: readonly string[] } | { readonly texts: readonly TextInput[] },
  signal: AbortSignal,
): AsyncGenerator<{ readonly input: TextInput; readonly prediction: Prediction }> {
  const target = await openTarget(reference, signal);
  if (await isLanguageModel(target)) throw writesText(reference);
  const { artifact, recipe, maxLength } = target;
  const texts = 'texts' in inputs ? inputs.texts : await readExamples(inputs.files, recipe?.data.columns, 'optional');
  await using model = await openClassifier(artifact, { threads: availableParallelism(), maxLength, batchSize: BATCH });
  for (const part of chunks(texts, INPUTS_AT_ONCE)) {
    signal.throwIfAborted();
    const predictions = await model.predict(part);
    yield* part.map((input, i) => ({ input, prediction: predictions[i]! }));
  }
}
