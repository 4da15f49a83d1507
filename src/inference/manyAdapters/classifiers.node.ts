/** Classifiers on one base: one batch may mix them row by row, and each answers with its own labels. */
import { batchesByLength, chunks, collate } from '../../data/batch.ts';
import type { OpenSession, Values } from '../../engine/runtime/index.ts';
import { openRuntime } from '../../engine/runtime/openRuntime.node.ts';
import { byRowMethod } from '../../methods/byRow/index.ts';
import { positionsOf } from '../../methods/index.ts';
import { buildProgram } from '../../models/nn/index.ts';
import { classify } from '../../tasks/index.ts';
import { parameterValues } from '../../training/index.ts';
import {
  type AdapterSource,
  checkFingerprint,
  type Prediction,
  predictionOf,
  type TextInput,
  thresholdOf,
} from '../classifier.node.ts';
import { refuseNotFiniteScores } from '../finiteAnswers.ts';
import { usableLength } from '../modelFolder.node.ts';
import { type Member, ownMember, readMember, type SharedBase } from './base.node.ts';
import { type Members, openMembers, rowFeeds, type SharedGraph } from './members.ts';

/** An adapter with what its answers need. */
export interface LabelAdapter {
  readonly adapter: AdapterSource;
  readonly threshold?: number | undefined;
  readonly maxLength?: number | undefined;
}

export interface RowInput extends TextInput {
  /** Left out: the base itself. */
  readonly adapter?: string | undefined;
}

export interface ManyClassifiers extends AsyncDisposable {
  readonly names: readonly string[];
  labelsOf(name?: string): readonly string[];
  add(adapters: ReadonlyMap<string, LabelAdapter>): Promise<void>;
  remove(name: string): void;
  /** Answers in the order of the inputs. */
  predict(inputs: readonly RowInput[]): Promise<Prediction[]>;
}

interface Classifier extends Member {
  readonly threshold: number | undefined;
  readonly maxLength: number;
}

interface LabelGraph extends SharedGraph {
  /** Rows are as long as the most labels that one of their adapters has. */
  score(feeds: Values): Promise<Float32Array>;
}

interface Options {
  readonly threads: number;
  readonly batchSize: number;
  /** Of the base's own answers. */
  readonly threshold?: number | undefined;
  readonly maxLength?: number | undefined;
}

export async function openManyClassifiers(base: SharedBase, options: Options): Promise<ManyClassifiers> {
  const { threads, batchSize, threshold, maxLength } = options;
  const { open } = await openRuntime();
  const { source } = base;
  const own = ownMember(base);
  const members: Members<Classifier, LabelGraph> = openMembers({
    own: own && { ...own, threshold, maxLength: usableLength(maxLength, source) },
    where: source.folder,
    open: (names) => openGraph(base, names, { open, threads }),
  });
  async function check(graph: LabelGraph, added: readonly Classifier[]): Promise<void> {
    for (const member of added) {
      const probe = async (feeds: Values): Promise<Float32Array> => {
        const owners = new Array<Classifier>(feeds['labels']!.data.length).fill(member);
        return Float32Array.from((await scores(graph, feeds, owners)).flat());
      };
      await checkFingerprint({ folder: source.folder, adapter: member }, source, { probe });
    }
  }
  return {
    get names() {
      return members.names;
    },
    labelsOf: (name) => members.get(name).labels,
    async add(adapters) {
      const read = new Map<string, Classifier>();
      for (const [name, adapter] of adapters) read.set(name, await readClassifier(base, adapter));
      await members.add(read, check);
    },
    remove: members.remove,
    predict: (inputs) => members.use((graph) => predictRows(inputs, { base, members, graph, batchSize })),
    [Symbol.asyncDispose]: () => members[Symbol.asyncDispose](),
  };
}

async function readClassifier(base: SharedBase, { adapter, threshold, maxLength }: LabelAdapter): Promise<Classifier> {
  const member = await readMember(base, adapter);
  return {
    ...member,
    threshold: thresholdOf({ folder: base.source.folder, adapter, threshold }, member.labels),
    maxLength: usableLength(maxLength, base.source, { taken: positionsOf(adapter.method) }),
  };
}

interface Building {
  readonly open: OpenSession;
  readonly threads: number;
}

async function openGraph(
  { source, form, memory }: SharedBase,
  names: ReadonlySet<string>,
  { open, threads }: Building,
): Promise<LabelGraph> {
  const method = byRowMethod(names);
  // How many labels there are says the head of each adapter.
  const program = buildProgram(classify(source.description, { numLabels: 1 }), { ...form, methods: [method] });
  const session = await open({ logits: program.outputs.logits }, { threads });
  const weights = parameterValues(program, memory);
  return {
    names,
    stacks: method.stacks,
    async score(feeds) {
      const { logits } = await session.run({ ...weights, ...feeds });
      return refuseNotFiniteScores(logits!.data as Float32Array, { memory, folder: source.folder });
    },
    [Symbol.asyncDispose]: () => session[Symbol.asyncDispose](),
  };
}

/** Each row's scores of its own labels. */
async function scores(graph: LabelGraph, feeds: Values, owners: readonly Classifier[]): Promise<number[][]> {
  const ofRows = rowFeeds(graph, owners)([...owners.keys()]);
  const logits = await graph.score({ ...feeds, ...ofRows });
  const rows = chunks(Array.from(logits), logits.length / owners.length);
  return rows.map((row, i) => row.slice(0, owners[i]!.labels.length));
}

interface Predicting {
  readonly base: SharedBase;
  readonly members: Pick<Members<Classifier, LabelGraph>, 'get'>;
  readonly graph: LabelGraph;
  readonly batchSize: number;
}

async function predictRows(inputs: readonly RowInput[], { base, members, graph, batchSize }: Predicting) {
  const { tokenizer } = base.source;
  const owners = inputs.map(({ adapter }) => members.get(adapter));
  const rows = inputs.map(({ text, pair }, i) => {
    return { ...tokenizer.encode(text, { pair, maxLength: owners[i]!.maxLength }), label: -100 };
  });
  const answers = new Array<Prediction>(inputs.length);
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  for (const batch of batchesByLength(lengths, batchSize)) {
    const { feeds } = collate(
      batch.map((index) => rows[index]!),
      tokenizer.padTokenId,
    );
    const batchOwners = batch.map((index) => owners[index]!);
    for (const [i, logits] of (await scores(graph, feeds, batchOwners)).entries()) {
      const { labels, threshold } = batchOwners[i]!;
      answers[batch[i]!] = predictionOf(logits, labels, threshold);
    }
  }
  return answers;
}
