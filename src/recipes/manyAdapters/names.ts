import { AttuneError } from '../../errors/index.ts';

/** Runs, adapters' folders or names; or these by names of one's own. */
export type AdapterReferences = string | Readonly<Record<string, string>>;

/** References by the names that rows are given; without one of its own, an adapter has the last part of its reference. */
export function namedReferences(given: readonly AdapterReferences[]): Map<string, string> {
  const named = new Map<string, string>();
  const pairs = given.flatMap((one) =>
    typeof one === 'string' ? [[lastPart(one), one] as const] : Object.entries(one),
  );
  for (const [name, reference] of pairs) {
    const other = named.get(name);
    if (other !== undefined) throw sameName(name, [other, reference]);
    named.set(name, reference);
  }
  return named;
}

/** `spam` of runs/spam, runs/spam/adapter and someone/spam: the folder `adapter` of a run says nothing of it. */
function lastPart(reference: string): string {
  const parts = reference.split(/[\\/:]/).filter((part) => part !== '' && part !== '.');
  const last = parts.at(-1) === 'adapter' ? parts.at(-2) : undefined;
  return last ?? parts.at(-1) ?? reference;
}

const sameName = (name: string, [first, second]: readonly [string, string]): AttuneError =>
  new AttuneError({
    code: 'ADAPTER_NAME',
    where: second,
    problem: first === second ? 'it is given twice' : `it would be called '${name}', and so is ${first}`,
    fix: `give names of your own: {'${name}-2': '${second}'}`,
  });
