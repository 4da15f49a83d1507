/**
 * Settings that say what an adapter's tensors mean and do not show in their shapes. A run that starts from an adapter
 * has them from it: with others its first step would be that of another adapter.
 */
import { AttuneError } from '../errors/index.ts';
import { canonicalJson } from '../files/index.ts';
import { bottleneckOf } from '../methods/adapter.ts';
import type { MethodName, MethodSettings } from '../methods/index.ts';
import type { Adapter } from '../store/adapters/index.ts';
import { at } from './schema/declaration.ts';
import { findAdapter } from './target.node.ts';

interface Meaning {
  /** What a recipe may leave to the adapter. */
  readonly taken: readonly string[];
  /** Those that no shape would tell from others. */
  readonly hidden: readonly string[];
}

const scale = ['lora_alpha', 'use_rslora', 'alpha_pattern'];
const lowRank: Meaning = { taken: ['r', 'rank_pattern', ...scale], hidden: scale };
const bottleneck = ['placement', 'reduction_factor', 'non_linearity', 'scaling'];

const meanings: Readonly<Partial<Record<MethodName, Meaning>>> = {
  lora: lowRank,
  dora: lowRank,
  adalora: { taken: ['init_r', 'lora_alpha'], hidden: ['init_r', 'lora_alpha'] },
  adapter: { taken: bottleneck, hidden: bottleneck },
};

/** A recipe as it is written, with what it leaves to the adapter that it starts from. */
export async function withStart(document: unknown, signal: AbortSignal): Promise<unknown> {
  const [start, written] = [at(document, ['init_from']), at(document, ['method'])];
  const method = typeof written === 'string' ? { name: written } : written;
  if (typeof start !== 'string' || !at(method, ['name'])) return document;
  // What cannot be read is refused when the run begins.
  const adapter = await findAdapter(start, signal).catch(() => undefined);
  const meaning = adapter && meaningOf(String(at(method, ['name'])), adapter.method);
  if (!meaning) return document;
  const fields = meaning.taken.filter((field) => at(method, [field]) === undefined);
  const taken = fields.map((field) => [field, at(adapter.method, [field])] as const);
  const given = Object.fromEntries(taken.filter(([, value]) => value !== undefined));
  return { ...(document as object), method: { ...(method as object), ...given } };
}

/** Of two methods that call their tensors alike. */
const meaningOf = (name: string, saved: MethodSettings): Meaning | undefined => {
  const meaning = Object.hasOwn(meanings, name) ? meanings[name as MethodName] : undefined;
  return meaning === meanings[saved.name] ? meaning : undefined;
};

/** Throws where the recipe sets one of them otherwise. */
export function expectSameMeaning(method: MethodSettings, adapter: Adapter): void {
  refuseUntiedStart(method, adapter);
  const { hidden = [] } = meaningOf(method.name, adapter.method) ?? {};
  const [own, other] = [method, adapter.method].map(spelledOut);
  for (const field of hidden) {
    const [wished, saved] = [at(own, [field]), at(other, [field])];
    if (canonicalJson(wished) === canonicalJson(saved)) continue;
    throw otherMeaning(field, { wished, saved, folder: adapter.folder });
  }
}

/** Two matrices of an embedding would become one without a word: the scores of tokens would be others. */
function refuseUntiedStart(method: MethodSettings, { method: saved, folder }: Adapter): void {
  const isTied = at(method, ['ensure_weight_tying']) !== true || at(saved, ['ensure_weight_tying']) === true;
  if (isTied || [at(saved, ['modules_to_save']) ?? []].flat().length === 0) return;
  throw new AttuneError({
    code: 'ADAPTER_MISMATCH',
    where: folder,
    problem: 'its modules_to_save were trained without ensure_weight_tying, which method has',
    fix: 'where it was trained as one matrix, as by Attune, write that in its adapter_config.json; else train anew',
  });
}

/** With what a placement brings, where nothing else is said. */
function spelledOut(settings: MethodSettings): object {
  if (settings.name !== 'adapter') return settings;
  const { placement, reductionFactor, nonLinearity, scaling } = bottleneckOf(settings);
  return { placement, reduction_factor: reductionFactor, non_linearity: nonLinearity, scaling };
}

interface Difference {
  readonly wished: unknown;
  readonly saved: unknown;
  readonly folder: string;
}

function otherMeaning(field: string, { wished, saved, folder }: Difference): AttuneError {
  const [got, wanted] = [wished, saved].map((value) => JSON.stringify(value));
  return new AttuneError({
    code: 'CONFIG_INVALID',
    where: `method.${field}`,
    problem: `got ${got}, but the adapter that init_from names (${folder}) has ${wanted}: it would add something else`,
    fix: `leave it out, or give ${wanted}`,
  });
}
