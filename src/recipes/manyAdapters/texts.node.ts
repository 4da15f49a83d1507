/** Many adapters that write texts: each is spoken to through its own template, and ends where it learned to. */
import { availableParallelism } from 'node:os';
import { chunks } from '../../data/batch.ts';
import type { Tokenizer } from '../../data/tokenizer.ts';
import { AttuneError } from '../../errors/index.ts';
import type { SharedBase } from '../../inference/manyAdapters/base.node.ts';
import { type ManyWriters, openManyWriters } from '../../inference/manyAdapters/writers.node.ts';
import type { ChatOptions, GenerateOptions } from '../speaking/loadedModel.node.ts';
import { openPrompter, type Prompt, type Prompter } from '../speaking/prompter.node.ts';
import { placeOf, promptOf } from '../speaking/questions.ts';
import { checkedSettings } from '../speaking/settings.ts';
import { type Answer, answersIn, endsOf } from '../speaking/speaker.node.ts';
import type { Target } from '../target.node.ts';
import type { Answering, OwnedQuestion } from './answering.ts';

/** Texts that are written at once: each keeps the keys and values of all that it read. */
const AT_ONCE = 32;

interface Opening {
  readonly target: Target;
  /** Names the base in errors. */
  readonly reference: string;
}

export async function openTexts(base: SharedBase, { target, reference }: Opening): Promise<Answering> {
  const { source } = base;
  const many = await openManyWriters(base, { threads: availableParallelism() });
  const prompters = new Map<string | undefined, Prompter>();
  prompters.set(undefined, await openPrompter(target, { reference, source }));
  return {
    kind: 'language-model',
    get names() {
      return many.names;
    },
    async add(adapters) {
      const opened = new Map<string, Prompter>();
      for (const [name, { adapter, source: read }] of adapters) {
        const artifact = { folder: source.folder, adapter: read };
        opened.set(name, await openPrompter({ artifact, adapter }, { reference: adapter.folder, source }));
      }
      await many.add(new Map([...adapters].map(([name, adapter]) => [name, adapter.source])));
      for (const [name, prompter] of opened) prompters.set(name, prompter);
    },
    remove(name) {
      many.remove(name);
      prompters.delete(name);
    },
    write: (questions, how) => write({ many, prompters, tokenizer: source.tokenizer }, questions, how),
    labelsOf: () => [],
    async predict() {
      const problem = 'its models write texts and choose no labels';
      throw new AttuneError({ code: 'MODEL_TASK', where: source.folder, problem, fix: 'call generate or chat' });
    },
    [Symbol.asyncDispose]: () => many[Symbol.asyncDispose](),
  };
}

interface Writing {
  readonly many: ManyWriters;
  readonly prompters: ReadonlyMap<string | undefined, Prompter>;
  readonly tokenizer: Tokenizer;
}

async function write(
  { many, prompters, tokenizer }: Writing,
  questions: readonly OwnedQuestion[],
  { raw, system, think, tools, signal, ...given }: GenerateOptions & ChatOptions,
): Promise<Answer[]> {
  const how = { settings: oneEach(given), tools: (tools ?? []).length > 0 };
  // Taken before anything is waited for: an adapter that is removed while it writes ends what it began.
  const owners = many.membersOf(questions.map(({ adapter }) => adapter));
  const spoken = questions.map(({ adapter }) => prompters.get(adapter)!);
  const ends = spoken.map((prompter) => endsOf(prompter, how.settings));
  const prompting = questions.map(({ question }, i): Promise<Prompt> => {
    const place = placeOf(question, i, questions.length);
    return promptOf(spoken[i]!, question, { place, raw, system, tools, think });
  });
  const prompts = await Promise.all(prompting);
  const decode = (tokens: readonly number[]): string => tokenizer.decode(tokens, { skipSpecial: true });
  const answers: Answer[] = [];
  for (const numbers of chunks([...prompts.keys()], AT_ONCE)) {
    const of = <T>(all: readonly T[]): T[] => numbers.map((number) => all[number]!);
    const endIdsOf = (place: number): readonly number[] => ends[numbers[place]!]!;
    const request = { inputIds: of(prompts), numbers, endIdsOf, decode, signal };
    const written = await many.generate(of(owners), request, how.settings);
    signal?.throwIfAborted();
    answers.push(...written.map(({ tokens, finishReason }) => answersIn(tokenizer)(tokens, finishReason, how)));
  }
  return answers;
}

/** Answers are in the order of the questions. */
function oneEach(given: object) {
  const settings = checkedSettings(given);
  if (settings.n === 1) return settings;
  const fix = 'ask the same question several times';
  throw new AttuneError({ code: 'CONFIG_INVALID', where: 'n', problem: 'many adapters write one answer each', fix });
}
