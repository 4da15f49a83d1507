/** What the tuned model writes for rows it did not learn from, and for a few of them what it wrote before. */
import { openRuntime } from '../../../engine/runtime/openRuntime.node.ts';
import {
  type Answered,
  answersTo,
  askForCalls,
  callingTurns,
  learnedTurns,
  longestOf,
  type Turn,
  toolCallAccuracy,
} from '../../../evaluation/index.ts';
import { callsIn, sameCalls } from '../../../evaluation/toolCalls.ts';
import { ownFormsOf } from '../../../files/modelFolder.node.ts';
import { type Decoder, openDecoder } from '../../../inference/generation/index.ts';
import { attachMethod, basePrecisionOf } from '../../../methods/index.ts';
import type { PreparedSplit } from '../prepareData.node.ts';
import type { Running } from '../train.node.ts';
import type { Sayings, Written, WrittenTurn } from './task.ts';

/** Rows whose first turn is asked for, whatever it is. */
const QUESTIONS = 16;
/** Those of them that are shown beside what the model said before. */
const SHOWN = 4;
/** Longer ones would take long to read, for the machine and for people. */
const LONGEST_PROMPT = 256;
/** Bounds of what an answer may take; between them, what the data's longest answer needs. */
const [LEAST_TOKENS, MOST_TOKENS] = [48, 256];

/** With the best weights in memory, and leaves them there. `measured`: the rows of the final figures. */
export async function writtenBy(running: Running, measured: PreparedSplit | undefined): Promise<Written> {
  const { data, options, seconds } = running;
  const started = performance.now();
  const split = measured ?? data.test ?? data.validation ?? data.train;
  try {
    if (!data.chat || options.signal.aborted) return {};
    await using decoder = await openTuned(running);
    return await asked(running, { split, decoder, scoresCalls: measured !== undefined });
  } catch (failure) {
    // Ctrl-C ends the asking, and not the run's last words.
    if (failure === options.signal.reason) return {};
    throw failure;
  } finally {
    seconds.evaluate += (performance.now() - started) / 1000;
  }
}

async function openTuned({ model, source, recipe }: Running): Promise<Decoder> {
  const { open } = await openRuntime();
  return await openDecoder(source.description, {
    memory: model.memory,
    methods: [attachMethod(recipe.method, source.description.architecture)],
    basePrecision: basePrecisionOf(recipe.method),
    ownForms: await ownFormsOf(source.folder),
    open,
    threads: model.threads,
  });
}

interface Wish {
  readonly split: PreparedSplit;
  readonly decoder: Decoder;
  readonly scoresCalls: boolean;
}

/** No turn is asked for twice: a question that calls a tool is scored and shown. */
async function asked(running: Running, { split, decoder, scoresCalls }: Wish): Promise<Written> {
  const { data, source, options } = running;
  const { tokenizer } = source;
  const { stopIds, endTokenIds } = data.chat!;
  const asking = { decoder, endIds: [...new Set([...stopIds, ...endTokenIds])], signal: options.signal };
  const turns = learnedTurns(split.rows);
  const questions = questionsOf(turns);
  const limit = Math.min(MOST_TOKENS, Math.max(LEAST_TOKENS, longestOf(questions)));
  const calling = scoresCalls ? callingTurns(turns, tokenizer, decoder) : [];
  if (scoresCalls && data.chat!.callsTools && calling.length === 0) options.onEvent({ type: 'note', text: unscored });
  const isScored = new Set(calling.map(nameOf));
  const others = questions.filter((turn) => !isScored.has(nameOf(turn)));
  const text = `asking ${calling.length + others.length} questions of the tuned model`;
  if (questions.length > 0) options.onEvent({ type: 'note', text });
  const unasked = turns.length > 0 && questions.length === 0 ? unaskedText(LONGEST_PROMPT) : undefined;
  if (unasked) options.onEvent({ type: 'note', text: unasked });
  const called = await askForCalls(calling, asking);
  const answered: Answered[] = [...called, ...(await answersTo(others, asking, () => limit))];
  const accuracy = toolCallAccuracy(called, tokenizer);
  const say = async (shown: readonly Turn[]) => await answersTo(shown, asking, () => limit);
  return {
    limit,
    turns: answered.map((turn) => writtenTurn(turn, running)).sort((a, b) => a.row - b.row || a.turn - b.turn),
    ...(unasked && { unasked }),
    sayings: await sayingsOf(running, { split, questions, answered, limit, say }),
    ...(accuracy !== undefined && { metrics: { tool_call_accuracy: accuracy } }),
  };
}

const unscored =
  'tool_call_accuracy is left out: no call is scored, as the template writes none in a form that is read (JSON with name and arguments), or the rows leave no room';
const unaskedText = (longest: number): string =>
  `how often answers end is not known: the prompts of all rows have more than ${longest} tokens, and none is asked`;

const nameOf = ({ row, turn }: Pick<Turn, 'row' | 'turn'>): string => `${row} ${turn}`;

/** The first turn of the first rows. */
const questionsOf = (turns: readonly Turn[]): Turn[] =>
  turns.filter(({ turn, prompt }) => turn === 0 && prompt.length <= LONGEST_PROMPT).slice(0, QUESTIONS);

function writtenTurn(answered: Answered, { source: { tokenizer } }: Running): WrittenTurn {
  const { row, turn, prompt, expected, tokens, finishReason } = answered;
  const textOf = (ids: readonly number[]): string => tokenizer.decode(ids, { skipSpecial: true });
  const [wanted, made] = [expected, tokens].map((ids) => callsIn(tokenizer.decode(ids))) as [Calls, Calls];
  const calls = { expected: wanted, predicted: made, correct: sameCalls(made, wanted) };
  return {
    ...{ row, turn, finishReason, tokens: tokens.length },
    // As the model reads it, special tokens and all.
    ...{ prompt: tokenizer.decode(prompt), expected: textOf(expected), prediction: textOf(tokens) },
    ...(wanted.length + made.length > 0 && { calls }),
  };
}

type Calls = ReturnType<typeof callsIn>;

interface Asked {
  readonly split: PreparedSplit;
  readonly questions: readonly Turn[];
  readonly answered: readonly Answered[];
  readonly limit: number;
  readonly say: (turns: readonly Turn[]) => Promise<Answered[]>;
}

async function sayingsOf(running: Running, wish: Asked): Promise<Sayings | undefined> {
  const { split, questions, answered, limit, say } = wish;
  if (questions.length === 0) return undefined;
  const { tokenizer } = running.source;
  const textOf = (ids: readonly number[]): string => tokenizer.decode(ids, { skipSpecial: true });
  const byName = new Map(answered.map((one) => [nameOf(one), one]));
  const answers = questions.map((turn) => byName.get(nameOf(turn))!);
  const shown = answers.slice(0, SHOWN);
  const before = await withFirstWeights(running, () => say(shown));
  return {
    stopRate: answers.filter(({ finishReason }) => finishReason === 'stop').length / answers.length,
    asked: answers.length,
    limit,
    answers: shown.map(({ row, prompt, expected, tokens }, i) => ({
      where: split.examples[row]!.where,
      prompt: textOf(prompt),
      expected: textOf(expected),
      before: textOf(before[i]!.tokens),
      after: textOf(tokens),
    })),
  };
}

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
