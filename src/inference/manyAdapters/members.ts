/** The adapters that are open on a base, by name, and the one graph that serves them all. They come and go while it runs. */
import { AttuneError } from '../../errors/index.ts';
import { OWNERS, type Parts, type Stack, stackParts } from '../../methods/byRow/index.ts';
import type { RowFeeds } from '../generation/cache.ts';
import { openReplaceable, type Replaceable } from './replaceable.ts';

/** A session whose rows each read an adapter's parts. */
export interface SharedGraph extends AsyncDisposable {
  /** Of the parts that it was built with. */
  readonly names: ReadonlySet<string>;
  readonly stacks: ReadonlyMap<string, Stack>;
}

interface HasParts {
  readonly parts: Parts;
}

export interface Members<M extends HasParts, G extends SharedGraph> extends AsyncDisposable {
  readonly names: readonly string[];
  /** Undefined stands for the base itself. Throws where there is no such adapter. */
  get(name: string | undefined): M;
  /** All of them or, where one is refused, none. `check` may throw once the graph can answer for them. */
  add(added: ReadonlyMap<string, M>, check: (graph: G, added: readonly M[]) => Promise<void>): Promise<void>;
  remove(name: string): void;
  use<R>(work: (graph: G) => Promise<R>): Promise<R>;
}

export interface MembersOptions<M, G> {
  /** What rows without an adapter read; undefined where the base cannot answer. */
  readonly own: M | undefined;
  /** Of errors. */
  readonly where: string;
  readonly open: (names: ReadonlySet<string>) => Promise<G>;
}

export function openMembers<M extends HasParts, G extends SharedGraph>({
  own,
  where,
  open,
}: MembersOptions<M, G>): Members<M, G> {
  const members = new Map<string, M>();
  let graph: Replaceable<G> | undefined;
  let last: Promise<unknown> = Promise.resolve();
  let closing: Promise<void> | undefined;

  /** A graph is built anew only where an adapter brings parts of places that none had before. */
  async function reach(wanted: readonly HasParts[]): Promise<void> {
    if (wanted.length === 0) return;
    const names = new Set([...(graph?.current.names ?? []), ...wanted.flatMap(({ parts }) => [...parts.keys()])]);
    if (graph && names.size === graph.current.names.size) return;
    const opened = await open(names);
    if (graph) graph.replace(opened);
    else graph = openReplaceable(opened);
  }

  async function addNow(
    added: ReadonlyMap<string, M>,
    check: (graph: G, added: readonly M[]) => Promise<void>,
  ): Promise<void> {
    for (const name of added.keys()) if (members.has(name)) throw nameTaken(name, where);
    await reach([...(own ? [own] : []), ...members.values(), ...added.values()]);
    if (added.size > 0) await graph!.use((current) => check(current, [...added.values()]));
    for (const [name, member] of added) members.set(name, member);
  }

  return {
    get names() {
      return [...members.keys()];
    },
    get(name) {
      const found = name === undefined ? own : members.get(name);
      if (found) return found;
      throw unknownName(name, [...members.keys()], where);
    },
    async add(added, check) {
      if (closing) throw closed(where);
      const result = last.then(() => addNow(added, check));
      last = result.catch(() => undefined);
      await result;
    },
    remove(name) {
      if (!members.delete(name)) throw unknownName(name, [...members.keys()], where);
    },
    async use(work) {
      if (closing) throw closed(where);
      if (!graph) throw unknownName(undefined, [], where);
      return await graph.use(work);
    },
    [Symbol.asyncDispose]() {
      closing ??= last.then(() => graph?.[Symbol.asyncDispose]());
      return closing;
    },
  };
}

/** What a graph reads of rows with these owners. The stacks are made once, for all of them. */
export function rowFeeds({ stacks }: SharedGraph, owners: readonly HasParts[]): RowFeeds {
  const distinct = [...new Set(owners)];
  const numbers = owners.map((owner) => distinct.indexOf(owner));
  const stacked = stackParts(
    stacks,
    distinct.map(({ parts }) => parts),
  );
  return (rows) => {
    const data = Int32Array.from(rows, (row) => numbers[row]!);
    return { ...stacked, [OWNERS]: { dtype: 'int32', shape: [rows.length], data } };
  };
}

const closed = (where: string): AttuneError =>
  new AttuneError({ code: 'USAGE', where, problem: 'its adapters are closed', fix: 'open them again' });

const nameTaken = (name: string, where: string): AttuneError =>
  new AttuneError({
    code: 'ADAPTER_NAME',
    where,
    problem: `there is an adapter '${name}' already`,
    fix: "remove it first, or give the new one a name of its own: {name: 'FOLDER'}",
  });

function unknownName(name: string | undefined, known: readonly string[], where: string): AttuneError {
  return new AttuneError({
    code: 'ADAPTER_NAME',
    where,
    problem: name === undefined ? 'the base itself has no head to answer with' : `no adapter is called '${name}'`,
    fix: known.length > 0 ? `name one of these: ${known.join(', ')}` : 'add an adapter first',
  });
}
