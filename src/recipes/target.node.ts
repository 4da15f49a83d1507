/** What `eval`, `predict`, `merge` and `export` are pointed at: a run, a model, or an adapter. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { AttuneError } from '../errors/index.ts';
import { requireJson } from '../files/modelFolder.node.ts';
import type { AdapterSource, Artifact } from '../inference/classifier.node.ts';
import {
  ADAPTER_CONFIG,
  type Adapter,
  type BaseIdentity,
  configHash,
  expectBase,
  expectNamedBase,
  hash,
  MANIFEST,
  readAdapter,
  readModelNotes,
} from '../store/adapters/index.ts';
import { fetchModel, type LocalModel } from '../store/index.ts';
import { type RunRecord, readRun } from '../store/runs/index.ts';
import type { Recipe } from './schema/index.ts';

export const MODEL_FOLDER = 'model';
export const ADAPTER_FOLDER = 'adapter';

export interface Target {
  readonly artifact: Artifact;
  readonly adapter?: Adapter;
  /** Where the target is a run: run.json, and the recipe in it. */
  readonly run?: RunRecord;
  readonly recipe?: Recipe;
  /** The length of inputs that it was trained with, where that is known. */
  readonly maxLength?: number | undefined;
}

export async function openTarget(reference: string, signal: AbortSignal): Promise<Target> {
  const run = await readRun(reference);
  if (run) return openRun(run, reference, signal);
  const adapter = await readAdapter(reference);
  if (adapter) return openAdapter(adapter, signal);
  const { path } = await fetchModel(reference, { signal });
  const fetched = await readAdapter(path);
  return fetched ? openAdapter(fetched, signal) : await wholeModel(path);
}

async function openRun(run: RunRecord, reference: string, signal: AbortSignal): Promise<Target> {
  const { folder, recipe } = keptBy(run, reference);
  const maxLength = recipe.data.max_length;
  const adapter = await readAdapter(folder);
  const opened = adapter ? await openAdapter(adapter, signal) : await wholeModel(folder);
  return { ...opened, run, recipe, maxLength };
}

/** What a run that is over has left, and how it was made. */
function keptBy(run: RunRecord, reference: string): { readonly folder: string; readonly recipe: Recipe } {
  const kept = [MODEL_FOLDER, ADAPTER_FOLDER].map((name) => join(reference, name)).find((path) => existsSync(path));
  return { folder: kept!, recipe: recipeOf(run, { where: reference, hasModel: kept !== undefined }) };
}

/** The adapter behind a reference, for a base that is known: its own is not looked for. Undefined where there is none. */
export async function findAdapter(reference: string, signal: AbortSignal): Promise<Adapter | undefined> {
  const run = await readRun(reference);
  const near = await readAdapter(run ? keptBy(run, reference).folder : reference);
  return near || run ? near : await readAdapter((await fetchModel(reference, { signal })).path);
}

async function wholeModel(folder: string): Promise<Target> {
  const { threshold, max_length: maxLength } = (await readModelNotes(folder)) ?? {};
  return { artifact: { folder, threshold }, maxLength };
}

function recipeOf({ recipe, status }: RunRecord, { where, hasModel }: { where: string; hasModel: boolean }): Recipe {
  const isOver = status === 'succeeded' || status === 'stopped';
  if (isOver && hasModel) return recipe as Recipe;
  throw new AttuneError({
    code: 'RUN_INVALID',
    where,
    problem: isOver
      ? `the run is over (${status}), but it has no model`
      : `the run is ${status}: it has no finished model`,
    fix: 'wait until it ends, or train again',
  });
}

async function openAdapter(adapter: Adapter, signal: AbortSignal): Promise<Target> {
  const { manifest, folder } = adapter;
  const base = await fetchBase(adapter, signal);
  if (manifest) expectBase(await identify(base.path, base), manifest, folder);
  const { threshold, max_length: maxLength } = manifest ?? {};
  return { artifact: { folder: base.path, adapter: sourceOf(adapter), threshold }, adapter, maxLength };
}

/** What is opened of an adapter beside its base. */
export const sourceOf = (adapter: Adapter): AdapterSource => ({
  ...adapter,
  labels: adapter.manifest?.labels ?? adapter.labels,
  fingerprint: adapter.manifest?.fingerprint,
});

async function fetchBase(adapter: Adapter, signal: AbortSignal): Promise<LocalModel> {
  const reference = baseFolder(adapter) ?? expectNamedBase(adapter).reference;
  try {
    return await fetchModel(reference, { signal });
  } catch (failure) {
    throw noBase(adapter, failure);
  }
}

/** Who has asked for the adapter need not know the base's name: it is told where it stands. */
function noBase({ folder, manifest, baseReference }: Adapter, failure: unknown): unknown {
  if (!(failure instanceof AttuneError) || !failure.code.startsWith('MODEL_')) return failure;
  const { code, problem, fix } = failure;
  const where = join(folder, manifest ? MANIFEST : ADAPTER_CONFIG);
  const names = `it names the base ${JSON.stringify(baseReference)}: ${problem}`;
  return new AttuneError(
    { code, where, problem: names, fix: `${fix}; or write there where the base is` },
    { cause: failure },
  );
}

/** A base that lies in a folder. PEFT writes its path as its trainer saw it: from here, or from the adapter's own folder. */
export function baseFolder({ manifest, baseName, baseReference, folder }: Adapter): string | undefined {
  const named = manifest ? baseReference : baseName;
  if (named === undefined) return undefined;
  return [join(folder, named), named].find((path) =>
    path.endsWith('.gguf') ? existsSync(path) : existsSync(join(path, 'config.json')),
  );
}

/** What tells one base from another. */
export async function identify(
  folder: string,
  { name, reference }: { readonly name: string; readonly reference: string },
): Promise<BaseIdentity> {
  const config = (await requireJson(folder, 'config.json')) as Record<string, unknown>;
  const tokenizer = await requireJson(folder, 'tokenizer.json');
  return { name, reference, config_sha256: configHash(config), tokenizer_sha256: hash(tokenizer) };
}
