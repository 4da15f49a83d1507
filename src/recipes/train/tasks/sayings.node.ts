/** A few questions asked of the model as it began and as it is now, and whether its answers end by themselves. */
import { IGNORED } from '../../../data/batch.ts';
import { openRuntime } from '../../../engine/runtime/openRuntime.node.ts';
import { toolCallAccuracy } from '../../../evaluation/index.ts';
import { ownFormsOf } from '../../../files/modelFolder.node.ts';
import { type Completion, type Decoder, generate, openDecoder } from '../../../inference/generation/index.ts';
import { attachMethod, basePrecisionOf } from '../../../methods/index.ts';
import type { PreparedSplit } from '../prepareData.node.ts';
import type { Running } from '../train.node.ts';
import type { Sayings, Written } from './task.ts';

const QUESTIONS = 4;
const MOST_TOKENS = 48;
/** Longer ones would take long to read, for the machine and for people. */
const LONGEST_PROMPT = 256;

/** With the best weights in memory, and leaves them there. */
export async function writtenBy(running: Running, split: PreparedSplit | undefined): Promise<Written> {
  const { data, model, source, recipe, options } = running;
  const { chat } = data;
  if (!chat || options.signal.aborted) return {};
  const { open } = await openRuntime();
  await using decoder = await openDecoder(source.description, {
    memory: model.memory,
    methods: [attachMethod(recipe.method, source.description.architecture)],
    basePrecision: basePrecisionOf(recipe.method),
    ownForms: await ownFormsOf(source.folder),
    open,
    threads: model.threads,
  });
  const endIds = [...new Set([...chat.stopIds, ...chat.endTokenIds])];
  const sayings = await sayingsOf(running, decoder, endIds);
  const calling = { decoder, tokenizer: source.tokenizer, endIds, signal: options.signal };
  const called =
    split && !options.signal.aborted
      ? await toolCallAccuracy(split.rows, calling).catch(unlessAborted(options.signal))
      : undefined;
  return { sayings, ...(called && { metrics: { tool_call_accuracy: called.accuracy } }) };
}

/** Ctrl-C ends the asking, and not the run's last words. */
const unlessAborted =
  (signal: AbortSignal) =>
  (failure: unknown): undefined => {
    if (failure !== signal.reason) throw failure;
  };

async function sayingsOf(running: Running, decoder: Decoder, endIds: readonly number[]): Promise<Sayings | undefined> {
  const { source, options } = running;
  const asked = questionsOf(running);
  if (asked.length === 0) return undefined;
  options.onEvent({ type: 'note', text: `asking ${asked.length} questions of the model, as it was and as it is` });
  const say = (): Promise<Completion[]> =>
    answersTo(decoder, { inputIds: asked.map((one) => one.prompt), endIds, running });
  const after = await say();
  const before = await withFirstWeights(running, say);
  const textOf = (ids: readonly number[]): string => source.tokenizer.decode(ids, { skipSpecial: true });
  return {
    stopRate: after.filter(({ finishReason }) => finishReason === 'stop').length / after.length,
    limit: MOST_TOKENS,
    answers: asked.map(({ where, prompt, expected }, i) => ({
      where,
      prompt: textOf(prompt),
      expected: textOf(expected),
      before: textOf(before[i]!.tokens),
      after: textOf(after[i]!.tokens),
    })),
  };
}

interface Asking {
  readonly inputIds: readonly (readonly number[])[];
  readonly endIds: readonly number[];
  readonly running: Running;
}

const answersTo = (decoder: Decoder, { inputIds, endIds, running }: Asking): Promise<Completion[]> =>
  generate(decoder, { inputIds, endIds, signal: running.options.signal }, { max_new_tokens: MOST_TOKENS });

/** What is trained steps back meanwhile. */
async function withFirstWeights<T>({ model }: Running, run: () => Promise<T>): Promise<T> {
  const trained = [...model.memory.trained.values()].map(({ arrays: { weight } }) => ({
    weight,
    kept: weight.slice(),
  }));
  await model.reload();
  try {
    return await run();
  } finally {
    for (const { weight, kept } of trained) weight.set(kept);
  }
}

/** The first rows of what was held back, up to their first answer. */
function questionsOf({ data }: Running) {
  const { rows, examples } = data.test ?? data.validation ?? data.train;
  const found = rows.flatMap(({ inputIds, labels = [] }, i) => {
    const start = labels.findIndex((label) => label !== IGNORED);
    const length = labels.slice(start).indexOf(IGNORED);
    const end = length < 0 ? inputIds.length : start + length;
    if (start < 1 || start > LONGEST_PROMPT) return [];
    return [{ where: examples[i]!.where, prompt: inputIds.slice(0, start), expected: inputIds.slice(start, end) }];
  });
  return found.slice(0, QUESTIONS);
}
