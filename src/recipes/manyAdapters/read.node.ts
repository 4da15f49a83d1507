/** Adapters that are to share a base, found and compared with it before any weight is read. */
import { AttuneError } from '../../errors/index.ts';
import type { AdapterSource } from '../../inference/classifier.node.ts';
import { basePrecisionOf, type MethodSettings } from '../../methods/index.ts';
import { startsInWeight } from '../../methods/starts/loraInit.ts';
import { type Adapter, type BaseIdentity, plainForm } from '../../store/adapters/index.ts';
import { type Base, expectSameBase } from '../sameBase.node.ts';
import { findAdapter } from '../target.node.ts';

export interface SharingAdapter {
  readonly adapter: Adapter;
  readonly source: AdapterSource;
}

interface Sharing {
  readonly base: Base;
  readonly signal: AbortSignal;
}

export async function readAdapters(
  references: ReadonlyMap<string, string>,
  { base, signal }: Sharing,
): Promise<Map<string, SharingAdapter>> {
  const found = new Map<string, SharingAdapter>();
  for (const [name, reference] of references) {
    const adapter = await findAdapter(reference, signal);
    if (!adapter) throw noAdapter(reference, base.identity);
    await expectSameBase(adapter, base);
    found.set(name, { adapter, source: sourceOf(adapter) });
  }
  return found;
}

/** A start that is taken off the weights again is worked into the matrices, as other programs read them. */
function sourceOf(adapter: Adapter): AdapterSource {
  const { folder, manifest } = adapter;
  const { method, open } = startsApart(adapter.method) ? plainForm(adapter) : adapter;
  const labels = manifest?.labels ?? adapter.labels;
  const precision = { base_precision: basePrecisionOf(adapter.method) };
  return {
    folder,
    method: { ...method, ...('base_precision' in method && precision) } as MethodSettings,
    labels,
    fingerprint: manifest?.fingerprint,
    open,
  };
}

const startsApart = (method: MethodSettings): boolean => method.name === 'lora' && startsInWeight(method.init);

function noAdapter(reference: string, { name }: BaseIdentity): AttuneError {
  return new AttuneError({
    code: 'ADAPTER_ALONE',
    where: reference,
    problem: 'it is a whole model, not an adapter',
    fix: `open it by itself, or train an adapter (method: lora) on ${name}`,
  });
}
