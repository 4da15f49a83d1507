/** `load(base).with(…)`: a base, and the adapters that are to share it. */
import { AttuneError } from '../../errors/index.ts';
import type { TextInput } from '../../inference/classifier.node.ts';
import { openBase } from '../../inference/manyAdapters/base.node.ts';
import { basePrecisionOf } from '../../methods/index.ts';
import { expectNamedBase } from '../../store/adapters/index.ts';
import { isLanguageModel } from '../kindOf.node.ts';
import type { ChatMessage } from '../speaking/loadedModel.node.ts';
import type { Question } from '../speaking/questions.ts';
import { identify, openTarget, type Target } from '../target.node.ts';
import { asTextInput } from '../textInput.ts';
import {
  type AdaptedModel,
  type ByAdapter,
  type ChatByAdapter,
  type GenerateByAdapter,
  ownersOf,
} from './adaptedModel.ts';
import type { Answering } from './answering.ts';
import { openLabels } from './labels.node.ts';
import { type AdapterReferences, namedReferences } from './names.ts';
import { readAdapters, type SharingAdapter } from './read.node.ts';
import { openTexts } from './texts.node.ts';

export async function openAdapted(
  reference: string,
  given: readonly AdapterReferences[],
  signal: AbortSignal,
): Promise<AdaptedModel> {
  const references = namedReferences(given);
  const target = await openTarget(reference, signal);
  if (target.adapter) throw noBase(reference, expectNamedBase(target.adapter).reference);
  const { folder } = target.artifact;
  const base = { folder, identity: await identify(folder, { name: reference, reference }) };
  const adapters = await readAdapters(references, { base, signal });
  const isTexts = await expectOneTask(target, adapters);
  const [first] = adapters.values();
  const basePrecision = first ? basePrecisionOf(first.adapter.method) : 'fp32';
  const shared = await openBase(folder, { task: isTexts ? 'texts' : 'labels', basePrecision });
  const answering = isTexts ? await openTexts(shared, { target, reference }) : await openLabels(shared, target);
  const add = async (added: ReadonlyMap<string, SharingAdapter>): Promise<void> => {
    await expectOneTask(target, added, isTexts);
    await answering.add(added);
  };
  try {
    await add(adapters);
  } catch (failure) {
    await answering[Symbol.asyncDispose]();
    throw failure;
  }
  return adapted(answering, async (more) => add(await readAdapters(namedReferences(more), { base, signal })));
}

function adapted(answering: Answering, add: (more: readonly AdapterReferences[]) => Promise<void>): AdaptedModel {
  const close = (): Promise<void> => Promise.resolve(answering[Symbol.asyncDispose]());
  async function predict(given: string | TextInput | readonly (string | TextInput)[], how: ByAdapter = {}) {
    const all = [given].flat() as readonly (string | TextInput)[];
    const owners = ownersOf(how, all.length);
    const rows = all.map(asTextInput);
    const answers = await answering.predict(rows.map((row, i) => ({ ...row, adapter: owners[i] })));
    return Array.isArray(given) ? answers : answers[0]!;
  }
  async function write(questions: readonly Question[], { adapter, ...how }: GenerateByAdapter & ChatByAdapter) {
    const owners = ownersOf({ adapter }, questions.length);
    return await answering.write(
      questions.map((question, i) => ({ question, adapter: owners[i] })),
      how,
    );
  }
  async function generate(given: string | readonly string[], how: GenerateByAdapter = {}) {
    const texts = await write([given].flat(), how);
    return Array.isArray(given) ? texts : texts[0]!;
  }
  async function chat(given: readonly ChatMessage[] | readonly (readonly ChatMessage[])[], how: ChatByAdapter = {}) {
    const isList = Array.isArray(given[0]);
    const texts = await write((isList ? given : [given]) as readonly (readonly ChatMessage[])[], how);
    return isList ? texts : texts[0]!;
  }
  return {
    kind: answering.kind,
    get adapters() {
      return answering.names;
    },
    add: (...more) => add(more),
    remove(...names) {
      for (const name of names) answering.remove(name);
    },
    labelsOf: (name) => answering.labelsOf(name),
    predict: predict as AdaptedModel['predict'],
    generate: generate as AdaptedModel['generate'],
    chat: chat as AdaptedModel['chat'],
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Whether all write texts; one graph does one of the two. `known`: what those do that are open already. */
async function expectOneTask(
  base: Target,
  adapters: ReadonlyMap<string, SharingAdapter>,
  known?: boolean,
): Promise<boolean> {
  let writes = known;
  for (const { adapter } of adapters.values()) {
    const own = await isLanguageModel({ artifact: base.artifact, adapter });
    if (writes !== undefined && own !== writes) throw otherTask(adapter.folder, writes);
    writes = own;
  }
  return writes ?? (await isLanguageModel(base));
}

const otherTask = (where: string, writes: boolean): AttuneError =>
  new AttuneError({
    code: 'ADAPTER_ALONE',
    where,
    problem: writes ? 'it chooses labels, and the others write texts' : 'it writes texts, and the others choose labels',
    fix: 'open it by itself, or with others of its task',
  });

const noBase = (reference: string, base: string): AttuneError =>
  new AttuneError({
    code: 'ADAPTER_ALONE',
    where: reference,
    problem: 'it is an adapter, and others are to stand beside it, not on it',
    fix: `load the base with both: load('${base}').with('${reference}', …)`,
  });
