/** Language models on one base: the texts of one batch may be written by different adapters. */
import type { Value, Values } from '../../engine/runtime/index.ts';
import { openRuntime } from '../../engine/runtime/openRuntime.node.ts';
import { byRowMethod } from '../../methods/byRow/index.ts';
import { type AdapterSource, checkFingerprint } from '../classifier.node.ts';
import { withFiniteTokens } from '../finiteAnswers.ts';
import {
  type Completion,
  type Decoder,
  type GenerationOptions,
  type GenerationRequest,
  generate,
  openDecoder,
} from '../generation/index.ts';
import { PROBED } from '../tokenScorer.ts';
import { type Member, ownMember, readMember, type SharedBase } from './base.node.ts';
import { type Members, openMembers, rowFeeds, type SharedGraph } from './members.ts';

export interface ManyWriters extends AsyncDisposable {
  readonly names: readonly string[];
  add(adapters: ReadonlyMap<string, AdapterSource>): Promise<void>;
  remove(name: string): void;
  /** Whom these names mean now, and who may write after they are removed; undefined: the base itself. */
  membersOf(names: readonly (string | undefined)[]): readonly Member[];
  /** `owners`: the adapter of each prompt. */
  generate(owners: readonly Member[], request: GenerationRequest, options?: GenerationOptions): Promise<Completion[]>;
}

interface WriterGraph extends SharedGraph {
  readonly decoder: Decoder;
}

export async function openManyWriters(
  base: SharedBase,
  { threads }: { readonly threads: number },
): Promise<ManyWriters> {
  const { source, form, memory } = base;
  const { open } = await openRuntime();
  const members: Members<Member, WriterGraph> = openMembers({
    own: ownMember(base),
    where: source.folder,
    open: (names) => openGraph(names, { rounds: true }),
  });
  async function openGraph(names: ReadonlySet<string>, { rounds }: { readonly rounds: boolean }): Promise<WriterGraph> {
    const method = byRowMethod(names);
    const opened = await openDecoder(source.description, {
      memory,
      methods: [method],
      ...form,
      rounds,
      open,
      threads,
    });
    const decoder = withFiniteTokens(opened, { memory, folder: source.folder });
    return { names, stacks: method.stacks, decoder, [Symbol.asyncDispose]: () => decoder[Symbol.asyncDispose]() };
  }
  /** Fingerprints were taken with exact products: over 4 bits those of a graph that answers are not. */
  async function check(graph: WriterGraph, added: readonly Member[]): Promise<void> {
    await using exact = form.basePrecision === 'int4' ? await openGraph(graph.names, { rounds: false }) : undefined;
    for (const member of added) {
      const probe = (feeds: Values) => lastScores(decoderOf(exact ?? graph, [member, member]), feeds);
      await checkFingerprint({ folder: source.folder, adapter: member }, source, { probe });
    }
  }
  return {
    get names() {
      return members.names;
    },
    async add(adapters) {
      const read = new Map<string, Member>();
      for (const [name, adapter] of adapters) read.set(name, await readMember(base, adapter));
      await members.add(read, check);
    },
    remove: members.remove,
    membersOf: (names) => names.map((name) => members.get(name)),
    generate: (owners, request, options) =>
      members.use((graph) => generate(decoderOf(graph, owners), request, options)),
    [Symbol.asyncDispose]: () => members[Symbol.asyncDispose](),
  };
}

/** The decoder of prompts whose adapters are known. */
function decoderOf(graph: WriterGraph, owners: readonly Member[]): Decoder {
  const feeds = rowFeeds(graph, owners);
  return { ...graph.decoder, openCache: (rows) => graph.decoder.openCache(rows, feeds) };
}

/** What a probe keeps of the rows' last tokens. A decoder reads rows that end together: padding goes to the front. */
async function lastScores(decoder: Decoder, feeds: Values): Promise<Float32Array> {
  const mask = feeds['attention_mask']!;
  const [rows, length] = mask.shape as [number, number];
  const atEnd = (value: Value): Int32Array =>
    Int32Array.from({ length: rows * length }, (_, i) => {
      const row = Math.floor(i / length);
      const used = Array.from(mask.data.subarray(row * length, (row + 1) * length), Number).filter(Boolean).length;
      const at = (i % length) - (length - used);
      return at < 0 ? 0 : Number(value.data[row * length + at]);
    });
  const tokens = { positions: atEnd(feeds['position_ids']!), texts: atEnd(mask) };
  const logits = await decoder.read(decoder.openCache(rows), atEnd(feeds['input_ids']!), tokens);
  const words = logits.length / rows;
  const kept = Math.min(PROBED, words);
  return Float32Array.from({ length: rows * kept }, (_, i) => logits[Math.floor(i / kept) * words + (i % kept)]!);
}
